import { PassThrough } from "node:stream";

export interface Gathered {
  readonly stream: PassThrough;
  readonly text: () => string;
}

/** Gathers what a stream brought, as text only at the end: a chunk may cut a character in two. */
export function gather(): Gathered {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}

/**
 * Waits until what was gathered matches.
 * @throws Error with what was said where it ended before that
 */
export async function matched(out: Gathered, until: RegExp, ended: Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    out.stream.on("data", () => until.test(out.text()) && resolve());
    void ended.then(() => reject(new Error(`ended before it was ready: ${out.text().trim()}`)));
  });
}
