import { randomBytes } from "node:crypto";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

/** One request of the load, as its client saw it. */
export interface Seen {
  /** As Letta puts it on the request's span, as `source`; looks at its health have none. */
  readonly name?: string;
  /** Milliseconds on the caller's clock. */
  readonly at: number;
  /** Until the answer's end, of a stream until its beginning. */
  readonly ms: number;
  /** 200, or another status with what was answered, or the word of what went wrong. */
  readonly outcome: 200 | string;
  /** Its retained connection was closed under it, and it was asked once more. */
  readonly isAgain?: boolean;
}

export interface LoadInput {
  /** Such as "https://127.0.0.1:8445". */
  readonly proxyUrl: string;
  readonly password: string;
  readonly perSecond: number;
  /** How many of a hundred requests ask for the server's health alone; none where it is left out. */
  readonly healthPercent?: number;
  /** None where it is left out. */
  readonly streams?: Streams;
}

/** Answers that come a word at a time, and how one looks that is complete. */
export interface Streams {
  /** How often one is opened. */
  readonly everySeconds: number;
  /** @param number of those that were opened, from 1 */
  path(number: number): string;
  /** Posted as JSON; without it the path is got. */
  readonly body?: object;
  isWhole(text: string): boolean;
}

/** The fake server's own, which take so many seconds, one each second. */
export function fakeServerStreams(seconds: number): Streams {
  return {
    everySeconds: 1,
    path: () => `/v1/stream/?seconds=${seconds}`,
    isWhole: (text) => text.endsWith(`${seconds} of ${seconds}\n\n`),
  };
}

/** What the load came to, of all its requests or of those of a while. */
export interface LoadFigures {
  readonly requests: number;
  /** How many were asked once more, and are counted by what came of that. */
  readonly again: number;
  /** How often each thing that is not a 200 was met. */
  readonly failed: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
}

export interface Load {
  /** Ends it, and waits for every answer that is still owed. */
  stop(): Promise<readonly Seen[]>;
}

/** Of the requests that the database answers, one in so many writes. */
const turns = 5;

/**
 * Stands for a server's clients: requests at an even rate, whatever becomes of those before,
 * over connections that are retained, as clients keep them.
 */
export function startLoad(load: LoadInput): Load {
  const { proxyUrl, password, perSecond, healthPercent = 0, streams } = load;
  const agent = new Agent({ keepAlive: true, maxSockets: 8192, rejectUnauthorized: false });
  const seen: Seen[] = [];
  const run = randomBytes(4).toString("hex");
  let sent = 0;
  const one = (number: number) => {
    const at = performance.now();
    sent += 1;
    // Spread evenly: of a hundred in a row every so many.
    const [before, after] = [number - 1, number].map((one) =>
      Math.floor((one * healthPercent) / 100),
    );
    const isHealth = before !== after;
    const name = `load=${run}-${number}`;
    const done = (outcome: 200 | string, isAgain: boolean) =>
      void seen.push({
        ...(isHealth ? {} : { name }),
        at,
        ms: performance.now() - at,
        outcome,
        isAgain,
      });
    const isWrite = !isHealth && (number - after!) % turns === 0;
    const path = isHealth ? "/v1/health/" : isWrite ? "/v1/blocks/" : "/v1/agents/?limit=1";
    const body = JSON.stringify({ label: "load", value: String(number) });
    const headers = {
      authorization: `Bearer ${password}`,
      "user-agent": "letta-stack-load",
      "x-letta-source": name,
      ...(isWrite
        ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
        : {}),
    };
    const ask = (isAgain: boolean) => {
      let isAnswered = false;
      const method = isWrite ? "POST" : "GET";
      const asked = request(proxyUrl + path, { agent, method, headers }, (reply) => {
        isAnswered = true;
        let said = "";
        reply.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(0, 200)));
        reply.once("end", () =>
          done(reply.statusCode === 200 ? 200 : `${reply.statusCode}, ${said}`, isAgain),
        );
        reply.once("error", (error) => done(`answer cut: ${codeOf(error)}`, isAgain));
      });
      asked.once("error", (error) => {
        // A server that closes an idle connection may meet a request on its way, and nothing can
        // do anything about that: clients ask once more what is safe to ask twice (RFC 9110 9.2.2).
        if (asked.reusedSocket && !isWrite && !isAgain && !isAnswered) ask(true);
        else
          done(`${codeOf(error)}${asked.reusedSocket ? " on a retained connection" : ""}`, isAgain);
      });
      asked.end(isWrite ? body : undefined);
    };
    ask(false);
  };
  const stream = (number: number, { path, body, isWhole }: Streams) => {
    const at = performance.now();
    // A hexadecimal digit, as the rest of a name is.
    const name = `load=${run}-f${number}`;
    sent += 1;
    let [ms, text] = [0, ""];
    const done = (outcome: 200 | string) => void seen.push({ name, at, ms, outcome });
    const sending = body === undefined ? undefined : JSON.stringify(body);
    const asked = request(
      proxyUrl + path(number),
      {
        agent,
        method: sending === undefined ? "GET" : "POST",
        headers: {
          authorization: `Bearer ${password}`,
          "x-letta-source": name,
          ...(sending === undefined ? {} : { "content-type": "application/json" }),
        },
      },
      (reply) => {
        ms = performance.now() - at;
        reply.on("data", (chunk: Buffer) => (text += chunk.toString()));
        reply.once("close", () => {
          const isGood = reply.statusCode === 200 && isWhole(text);
          done(isGood ? 200 : `${reply.statusCode}, stream cut after ${text.slice(-200)}`);
        });
        reply.once("error", () => undefined); // recognised by its close
      },
    );
    asked.once("error", (error) => ms === 0 && done(codeOf(error)));
    asked.end(sending);
  };
  const begun = performance.now();
  let [numbered, opened] = [0, 0];
  let ended = false;
  const timer = setInterval(() => {
    const seconds = (performance.now() - begun) / 1000;
    const due = Math.floor(seconds * perSecond);
    // After what has arrived is read (poll, then check): a late request would otherwise ask on
    // connections that were closed meanwhile, which a client that reads in time does not.
    setImmediate(() => {
      while (!ended && numbered < due) one((numbered += 1));
    });
    if (streams === undefined || opened >= Math.floor(seconds / streams.everySeconds)) return;
    opened += 1;
    stream(opened, streams);
  }, 5);
  return {
    async stop() {
      clearInterval(timer);
      ended = true;
      while (seen.length < sent) await sleep(20);
      agent.destroy();
      return seen;
    },
  };
}

/** @param within only those that began in this while, on the same clock */
export function loadFigures(
  all: readonly Seen[],
  within: readonly [from: number, to: number] = [0, Infinity],
): LoadFigures {
  const seen = all.filter((one) => one.at >= within[0] && one.at < within[1]);
  const times = seen.map((one) => one.ms).sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  const failed: Record<string, number> = {};
  for (const { outcome } of seen) {
    if (outcome !== 200) failed[outcome] = (failed[outcome] ?? 0) + 1;
  }
  const again = seen.filter((one) => one.isAgain).length;
  return {
    requests: seen.length,
    again,
    failed,
    p50: at(0.5),
    p99: at(0.99),
    longest: times.at(-1) ?? 0,
  };
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}
