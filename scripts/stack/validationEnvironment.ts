/**
 * The environment in which the collector's `validate --config env:CONFIGURATION` reads a composed
 * configuration in a container of nothing but its image: every secret is there, as a placeholder
 * whose value is none, and the queue's directory, whose being there it checks, is `/`.
 * @param text as composeConfiguration made it
 */
export function validationEnvironment(text: string): Record<string, string> {
  const names = new Set(
    [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map(([, name = ""]) => name),
  );
  return {
    CONFIGURATION: text.replaceAll(/^( *directory: )\S+$/gm, "$1/"),
    ...Object.fromEntries([...names].map((name) => [name, "0123456789abcdef0123456789abcdef"])),
  };
}
