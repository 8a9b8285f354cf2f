import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { appendEntry } from "../scripts/state/journal.ts";
import { down, prodBench, ran, watched, type Environment, type Ran } from "./prodBench.ts";

export interface Row {
  readonly what: string;
  /** Seconds, or what happened. */
  readonly ours: number | string;
  readonly theirs: number | string;
  readonly claim: string;
}

/**
 * Deploys, rollbacks and refusals with real Letta releases, each alongside what plain Compose does
 * with the very same file. Takes some eight minutes.
 */
export async function releases(): Promise<Row[]> {
  const { environment, folder, state, run, good, file, plain, lastBoot, close } = prodBench();
  const rows: Row[] = [];
  try {
    await good("deploy", ["prod", "0.15.1"]);
    const older = file();
    const deployed = await good("deploy", ["prod", "0.16.8"]);
    const newer = file();
    const bootNewer = lastBoot();
    const back = await good("rollback", []);
    const bootOlder = lastBoot();
    rows.push({
      what: "rollback 0.16.8 → 0.15.1 by the verified keep / the server's own boot",
      ours: back.seconds,
      theirs: bootOlder,
      claim: lastOfPrevious,
    });
    rows.push({
      what: "  of it until requests are let to it",
      ours: untilServed(back),
      theirs: bootOlder,
      claim: "",
    });
    await good("deploy", ["prod", "0.16.8"]);
    const forgotten = withoutVerifications(state);
    const refused = await run("rollback", "--yes", "--json");
    forgotten();
    rows.push({
      what: `rollback without a verification: refused (exit ${refused.code})`,
      ours: refused.seconds,
      theirs: "",
      claim: "at most 5 s",
    });
    const [few, many] = await withStates(environment, folder, state);
    rows.push({
      what: "history, 10,000 releases / 10",
      ours: many!.history,
      theirs: few!.history,
      claim: "at most 0.1 s more",
    });
    rows.push({
      what: "rollback --dry-run, 10,000 releases / 10",
      ours: many!.decision,
      theirs: few!.decision,
      claim: "at most 0.1 s more, 2 s in all",
    });
    await good("deploy", ["prod", "0.16.7"]);
    await good("deploy", ["prod", "0.16.8"]);
    const swapped = await good("rollback", []);
    rows.push({
      what: "rollback 0.16.8 → 0.16.7, the same schema / the server's own boot",
      ours: swapped.seconds,
      theirs: lastBoot(),
      claim: lastOfPrevious,
    });
    rows.push({
      what: "  of it until requests go to it",
      ours: untilServed(swapped),
      theirs: lastBoot(),
      claim: "",
    });
    // The same by hand: an empty database, the older file, then the newer one, then back.
    down(environment);
    await plain(older);
    const upgraded = await watched(() => plain(newer));
    const theirBack = await watched(() => plain(older));
    rows.push({
      what: "deploy 0.15.1 → 0.16.8, dump, verification and rehearsal included / compose up -d --wait",
      ours: deployed.seconds,
      theirs: upgraded.seconds,
      claim: "",
    });
    rows.push({
      what: "  of it the server away / of compose's",
      ours: deployed.away,
      theirs: upgraded.away,
      claim: "alongside 43.7 s",
    });
    rows.push({
      what: "back again with plain Compose",
      ours: `in ${back.away.toFixed(1)} s`,
      theirs: theirBack.code === 0 ? `in ${theirBack.away.toFixed(1)} s` : "server down",
      claim: `0.16.8 boots in ${bootNewer.toFixed(1)} s`,
    });
    return rows;
  } finally {
    close();
  }
}

/** What a rollback takes beyond a boot: no request fails by it, and no span is lost. */
const lastOfPrevious = "more by its verification and the previous one's last answers and spans";

/** @returns seconds from the command on */
function untilServed({ seconds, said }: Ran): number {
  const steps = said.steps ?? [];
  const shifts = ["resume requests", "switch requests to new server"];
  const last = steps.findIndex((one) => shifts.includes(one.name));
  if (last === -1) throw new Error(`no step lets requests through: ${JSON.stringify(steps)}`);
  const after = steps.slice(last + 1).reduce((sum, one) => sum + one.seconds, 0);
  return seconds - after;
}

/** Takes the verified rollbacks out of all manifests. @returns puts them back */
function withoutVerifications(state: string): () => void {
  const folder = join(state, "releases");
  const retained = readdirSync(folder).map((id) => {
    const path = join(folder, id, "release.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(text) as object), verifications: [] }));
    return { path, text };
  });
  return () => retained.forEach(({ path, text }) => writeFileSync(path, text));
}

/** What a long past costs: the same state behind ten and behind ten thousand others. */
async function withStates(environment: Environment, folder: string, state: string) {
  const figures: { history: number; decision: number }[] = [];
  for (const count of [10, 10_000]) {
    const copy = join(folder, `state-${count}`);
    pad(state, join(copy, "prod"), count);
    const own = { ...environment, STATE_DIR: copy };
    const median = async (entry: string, ...args: string[]) => {
      const times: number[] = [];
      for (let round = 0; round < 5; round += 1) times.push((await ran(own, entry, args)).seconds);
      return times.sort((a, b) => a - b)[2]!;
    };
    figures.push({
      history: await median("history", "prod", "--json"),
      decision: await median("rollback", "--dry-run", "--json"),
    });
  }
  return figures;
}

function pad(state: string, copy: string, count: number): void {
  cpSync(state, copy, { recursive: true });
  const folder = join(copy, "releases");
  const ids = readdirSync(folder).sort();
  const template = readFileSync(join(folder, ids[0]!, "release.json"), "utf8");
  for (const id of ids.reverse()) {
    const path = join(folder, id, "release.json");
    const later = readFileSync(path, "utf8").replaceAll(
      /"(\d{6})"/g,
      (_, old: string) => `"${shifted(old, count)}"`,
    );
    mkdirSync(join(folder, shifted(id, count)), { mode: 0o700 });
    for (const name of readdirSync(join(folder, id))) {
      cpSync(join(folder, id, name), join(folder, shifted(id, count), name));
    }
    writeFileSync(join(folder, shifted(id, count), "release.json"), later);
    rmSync(join(folder, id), { recursive: true });
  }
  for (let number = 1; number <= count; number += 1) {
    const id = String(number).padStart(6, "0");
    mkdirSync(join(folder, id), { mode: 0o700 });
    const manifest = {
      ...(JSON.parse(template) as object),
      id,
      restores: id,
      from: null,
      outcome: "good",
    };
    writeFileSync(join(folder, id, "release.json"), JSON.stringify(manifest));
  }
  const lines = readFileSync(join(state, "journal.jsonl"), "utf8");
  writeFileSync(join(copy, "journal.jsonl"), lines.repeat(Math.ceil(count / ids.length)));
  appendEntry(copy, {
    at: new Date(0).toISOString(),
    run: "padded",
    command: "deploy:prod",
    step: "",
    event: "done",
  });
}

function shifted(id: string, count: number): string {
  return String(Number(id) + count).padStart(6, "0");
}
