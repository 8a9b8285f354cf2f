import { checkpoint, copyDatabase } from "../database/copyDatabase.ts";
import { databaseName } from "../database/databaseName.ts";
import { databases } from "../database/databases.ts";
import { dropScratch } from "../database/dropScratch.ts";
import { interruptible } from "../database/interruptible.ts";
import type { Mark } from "../database/marks.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";

/**
 * Measures how long a snapshot of the live database takes, by copying a restored copy of it that no session is
 * connected to.
 * @param scratch marks that copy
 * @returns seconds; what live has grown beyond the copy (bloat) is added in proportion
 */
export async function measureCopy(
  server: DatabaseServer,
  scratch: Mark,
  context: Pick<Context, "reporter" | "now" | "signal">,
): Promise<number> {
  const [copied, copy] = [
    databaseName(server.name, scratch),
    { ...scratch, purpose: "verification" } as const,
  ];
  await dropScratch(server, copy);
  return context.reporter.step(
    "rehearse: copy the database",
    async () => {
      // As before the pause: the checkpoint that a copy forces is not to count.
      await checkpoint(interruptible(server, context.signal));
      const started = context.now();
      try {
        await copyDatabase(server, copied, copy, context.signal);
        const seconds = (context.now() - started) / 1000;
        return seconds * (await growth(server, copied));
      } finally {
        await dropScratch(server, copy);
      }
    },
    (seconds) => `a snapshot takes about ${seconds.toFixed(1)} s`,
  );
}

async function growth(server: DatabaseServer, scratch: string): Promise<number> {
  const found = await databases(server);
  const live = found.get(server.name)?.bytes ?? 0;
  const copied = found.get(scratch)?.bytes ?? 0;
  return copied === 0 ? 1 : Math.max(1, live / copied);
}
