import { Problem } from "../common/problem.ts";

/**
 * Reads a secret from standard input, or asks for it at a terminal without showing it. Never
 * from the command line, which every user of the machine can read.
 * @param again the command that was typed, for messages
 * @throws Problem USAGE where nothing came, DECLINED
 */
export async function promptSecret(name: string, again: string): Promise<string> {
  const value = process.stdin.isTTY ? await input(name) : await piped();
  if (value !== "") return value;
  throw new Problem("USAGE", `${name}: expected a value on standard input, got nothing`, {
    next: `${again} < <a file with the value>`,
  });
}

async function input(name: string): Promise<string> {
  const { isCancel, password } = await import("@clack/prompts");
  const answer = await password({ message: name, output: process.stderr });
  if (isCancel(answer)) throw new Problem("DECLINED", "declined: nothing was done");
  return answer ?? "";
}

/** The line end that an editor or `echo` puts behind it is not part of it. */
async function piped(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/u, "");
}
