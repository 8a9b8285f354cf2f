import { Problem } from "../common/problem.ts";
import { readBytes } from "./readBytes.ts";

/** An age identity, and the file it is in. */
export interface Key {
  readonly path: string;
  /** "AGE-SECRET-KEY-1…", as the age format names an X25519 identity. */
  readonly identity: string;
}

/**
 * Reads the key of sealed secrets.
 * @returns undefined where there is no such file
 * @throws Problem SETTINGS_INVALID where others can read it, or it holds something else
 */
export function readKey(path: string): Key | undefined {
  const found = readBytes(path);
  if (found === "ENOENT") return undefined;
  if (typeof found === "string") {
    throw unusable(`${path}: expected a readable file, got ${found}`, "make it readable for you");
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw unusable(`${path}: expected mode 0600, got ${mode}`, `chmod 600 ${path}`);
  }
  const lines = found.bytes.toString().split("\n");
  const retained = lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && line[0] !== "#");
  const [identity = ""] = retained;
  if (retained.length === 1 && /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/u.test(identity)) {
    return { path, identity };
  }
  throw unusable(
    `${path}: expected one age identity (AGE-SECRET-KEY-1…), got something else`,
    "put a copy of the key file back",
  );
}

function unusable(detail: string, next: string): Problem {
  return new Problem("SETTINGS_INVALID", "the key of sealed secrets is not usable", {
    details: [detail],
    next,
  });
}
