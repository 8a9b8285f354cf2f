/** The password within a database URI: a list of one, or of none. */
export function passwordOf(uri: string): string[] {
  const password = /^[a-z+]+:\/\/[^:/@]*:(.*)@/su.exec(uri)?.[1];
  return password ? [password] : [];
}
