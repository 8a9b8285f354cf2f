import { createServer, type Socket } from "node:net";
import type { Holder, LockAddress } from "./lockAddress.ts";

/** More than would ever wait; a flood of them must not take the holder's file handles. */
const mostConnections = 64;

/**
 * Listens at a lock's address, tells everyone who connects who we are, and keeps the
 * connection: its end tells them ours. No child inherits the socket, and it keeps no process
 * alive that has nothing else to do.
 * @returns gives the address back; undefined where the address is in use already
 */
export function holdAddress(
  address: LockAddress,
  holder: Holder,
): Promise<(() => Promise<void>) | undefined> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.unref();
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.resume();
    socket.write(`${JSON.stringify(holder)}\n`);
  });
  server.maxConnections = mostConnections;
  // First the address, then those who wait for it: they try again at once.
  const giveBack = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    let listens = false;
    server.on("error", (error: NodeJS.ErrnoException) => {
      // A connection that could not be taken is the other side's trouble.
      if (listens) return;
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen({ ...address, exclusive: true }, () => {
      listens = true;
      server.unref();
      resolve(giveBack);
    });
  });
}
