import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Parser, type ReadEntry } from "tar";
import { Problem } from "../common/problem.ts";

/**
 * Writes one file of a tar archive to a path of ours. Names in the archive are only compared,
 * never used as paths, so none of them can lead elsewhere; links and a second file of the name
 * are refused, and so is an archive that ends too early.
 * @param archive a path, or what streams it; compressed by gzip or not
 * @param name the file's whole name in the archive
 * @param limit the most bytes that file may have
 * @throws Problem IMAGE_UNAVAILABLE with what is wrong with the archive
 */
export async function extractBinary(
  archive: string | Readable,
  name: string,
  path: string,
  limit: number,
): Promise<void> {
  const parser = new Parser({ strict: true });
  let found = 0;
  let writing: Promise<void> | undefined;
  const take = async (entry: ReadEntry) => {
    const limited = async function* (chunks: AsyncIterable<Buffer>) {
      let bytes = 0;
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > limit) throw unusable(`${name} has more than ${limit} bytes`);
        yield chunk;
      }
      if (bytes !== entry.size) throw unusable(`${name} ends too early`);
    };
    const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
    await pipeline(entry as AsyncIterable<Buffer>, limited, file);
  };
  const failed = Promise.withResolvers<never>();
  parser.on("entry", (entry: ReadEntry) => {
    if (entry.path.replace(/^\.\//, "") !== name) return void entry.resume();
    found += 1;
    if (found > 1) return failed.reject(unusable(`it has two files ${name}`));
    if (entry.type !== "File") return failed.reject(unusable(`${name} is a ${entry.type}`));
    writing = take(entry);
    writing.catch(failed.reject);
  });
  const source = typeof archive === "string" ? createReadStream(archive) : archive;
  const read = new Promise<void>((resolve, reject) => {
    source.once("error", reject);
    parser.once("error", reject).once("end", () => resolve());
    source.pipe(parser as unknown as NodeJS.WritableStream);
  });
  failed.promise.catch(() => undefined);
  try {
    await Promise.race([read, failed.promise]);
    await writing;
  } catch (error) {
    if (error instanceof Problem || (error as NodeJS.ErrnoException).syscall) throw error;
    throw unusable((error as Error).message);
  } finally {
    source.destroy();
  }
  if (found === 0) throw unusable(`it has no ${name}`);
}

function unusable(why: string): Problem {
  return new Problem("IMAGE_UNAVAILABLE", `the archive is not usable: ${why}`, {
    next: "the same command again, or set OTEL_RELEASE_URL to another address",
  });
}
