/** How a request fails that a server is too busy or too broken to answer. */
export const failureKinds = ["5xx", "no answer"] as const;
export type FailureKind = (typeof failureKinds)[number];

/**
 * What kind of failure a check's words tell of: an answer of 5xx, or none in time. Pure.
 * @returns undefined for anything else, such as a wrong version
 */
export function failureKind(words: string): FailureKind | undefined {
  if (/\bgot 5\d\d\b/u.test(words)) return "5xx";
  const isSilent = /no answer within|ECONNRE|EPIPE|socket hang up|aborted/u.test(words);
  return isSilent ? "no answer" : undefined;
}
