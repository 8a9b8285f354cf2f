/** Environment variables as the engine takes them: NAME=value. */
export const variables = (environment: Readonly<Record<string, string>> = {}) =>
  Object.entries(environment).map(([name, value]) => `${name}=${value}`);
