import type { Duplex } from "node:stream";
import { demux } from "./demux.ts";
import type { Beat, Held } from "./engine.ts";

/** A process that is asked now and then. */
export interface KeptAlive extends Pick<Held, "isAlive"> {
  /** The lines that it wrote before its first answer. */
  readonly said: readonly string[];
  /** What it wrote to its standard error. */
  readonly errors: readonly Buffer[];
  /** Asks it no more. */
  stop(): void;
}

const everyMs = 5_000;
/** The other end gives up after 60 s of silence: by then this side has long stopped relying on it. */
const freshMs = 25_000;
const patienceMs = 20_000;

/**
 * Asks a process at the other end of an attached stream every five seconds whether it lives. The
 * process is to end when it has not been asked for a minute: so a holder whose machine has gone
 * keeps nothing, and one that was suspended learns it before it goes on.
 * @param stream with both outputs, as the engine attaches them
 * @param now the time of day in ms, which goes on while a machine is suspended
 */
export function keepAlive(stream: Duplex, beat: Beat, now: () => number = Date.now): KeptAlive {
  const said: string[] = [];
  const errors: Buffer[] = [];
  /** When each question was put, from the first that is not answered yet. */
  const input: number[] = [];
  let answered = 0;
  let heardAt = Number.NEGATIVE_INFINITY;
  let isOver = false;
  let changed = Promise.withResolvers<void>();
  const tell = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  /** @returns how many will be answered once this one is */
  const ask = () => {
    input.push(now());
    stream.write(beat.question);
    return answered + input.length;
  };
  const timer = setInterval(ask, everyMs).unref();
  const stop = () => {
    isOver = true;
    clearInterval(timer);
    tell();
  };
  const listen = async () => {
    let text = "";
    for await (const chunk of demux(stream, (error) => errors.push(error))) {
      const lines = (text + chunk.toString("utf8")).split("\n");
      text = lines.pop()!;
      if (answered === 0) {
        const first = lines.indexOf(beat.answer);
        said.push(...lines.splice(0, first === -1 ? lines.length : first));
      }
      if (lines.some((line) => line !== beat.answer)) break;
      if (lines.length === 0) continue;
      answered += lines.length;
      heardAt = input.splice(0, lines.length).at(-1) ?? heardAt;
      tell();
    }
  };
  stream.on("error", stop);
  void listen().then(stop, stop);
  const isFresh = () => now() >= heardAt && now() - heardAt < freshMs;
  return {
    said,
    errors,
    stop,
    async isAlive() {
      if (isOver || isFresh()) return !isOver;
      const ordinal = ask();
      const timeout = setTimeout(stop, patienceMs);
      while (!isOver && answered < ordinal) await changed.promise;
      clearTimeout(timeout);
      return !isOver;
    },
  };
}
