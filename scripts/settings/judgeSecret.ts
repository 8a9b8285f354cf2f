import type { EnvironmentName } from "./environmentName.ts";

/** Shorter ones cannot be told from ordinary words where output is masked. */
const shortest = 8;

const stopgap =
  /^(?:<.*>|(?:change[-_ ]?(?:me|it|this)|letta|passw(?:or)?d|secret|example|placeholder|todo|tbd|x{3,}|your[-_ ].*)[-_ ]?\d*!*)$/iu;

/**
 * Whether a secret will do in an environment. dev takes any; development none too short
 * to be masked; staging and prod no stopgap either.
 * @returns what is expected and what was found, without the secret; undefined if it will do
 */
export function judgeSecret(
  secret: string,
  environment: EnvironmentName,
): { expected: string; got: string } | undefined {
  if (environment === "dev") return undefined;
  const guarded = environment !== "development";
  if (guarded && stopgap.test(secret.trim())) {
    return { expected: "a secret of its own", got: "a placeholder" };
  }
  const length = [...secret].length;
  if (length >= shortest) return undefined;
  return { expected: `${shortest} characters or more`, got: `a value of ${length} characters` };
}
