import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Holder, type LockAddress, readHolder } from "./lockAddress.ts";

/** What came of asking. */
export type Asked =
  | { readonly found: "none" }
  | {
      /** `silent`: it listens and says nothing, like a process that was stopped. */
      readonly found: "holder" | "silent" | "stranger";
      readonly holder?: Holder;
      /** Settles when it is gone: the kernel ends the connection with its process. */
      readonly gone: Promise<void>;
      readonly leave: () => void;
    };

/** A holder answers in a millisecond; one that computes for this long is hardly alive. */
const patienceMs = 1000;
const longestAnswer = 4096;

/** Between two tries where there is no connection whose end could be waited for. */
const pauseMs = 100;

/**
 * Asks the process that listens at a lock's address who it is, and stays connected to hear it go.
 * Anything that listens there is taken for a holder, and nothing else: no holder can be verified
 * dead that way who is not.
 */
export function askHolder(address: LockAddress): Promise<Asked> {
  return new Promise((resolve) => {
    const socket = connect(address);
    let closed: () => void = () => undefined;
    const gone = new Promise<void>((settle) => (closed = settle));
    const leave = () => void socket.destroy();
    const patience = setTimeout(() => resolve({ found: "silent", gone, leave }), patienceMs);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (!text.includes("\n") && text.length < longestAnswer) return;
      const holder = readHolder(text);
      resolve(
        holder ? { found: "holder", holder, gone, leave } : { found: "stranger", gone, leave },
      );
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (["ECONNREFUSED", "ENOENT", "ECONNRESET", "EPIPE"].includes(error.code ?? "")) return;
      // It listens and cannot be reached: its queue is full when it was stopped and many wait.
      resolve({ found: "silent", gone: sleep(pauseMs), leave });
    });
    socket.on("close", () => {
      clearTimeout(patience);
      closed();
      resolve(text === "" ? { found: "none" } : { found: "stranger", gone, leave });
    });
  });
}
