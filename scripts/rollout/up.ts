import { judgeDatabase } from "../database/judgeDatabase.ts";
import { revision } from "../database/revision.ts";
import { takeLock } from "../ledger/lock.ts";
import {
  keepRelease,
  nextReleaseId,
  readReleaseFile,
  readReleases,
  updateRelease,
} from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Settings } from "../settings/readSettings.ts";
import { validateStack } from "../stack/validateStack.ts";
import type { Check } from "../verification/verify.ts";
import { databaseOf } from "./databaseOf.ts";
import { execute } from "./execute.ts";
import { journaled } from "./journaled.ts";
import { describeRelease } from "./describeRelease.ts";
import type { Images } from "./chooseImages.ts";
import { obtainImages } from "./obtainImages.ts";
import { planChanges, type Change } from "./planChanges.ts";
import { refuseForeign, refuseFullDisk, refuseStateful, refuseTakenPorts } from "./preflight.ts";
import { imageSettings, prepareStack, type PreparedStack } from "./prepareStack.ts";
import { checksSummary, expectPassed, proveStack } from "./proveStack.ts";
import { expectVersions, readyEngine } from "./readyEngine.ts";
import { settingsText } from "./settingsText.ts";
import type { Tools } from "./tools.ts";
import { undo } from "./undo.ts";
import { validateCollector } from "./validateCollector.ts";

export interface UpOutcome {
  readonly release: string;
  readonly from: string | null;
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly prepared: PreparedStack;
}

export interface UpAsked {
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
}

/**
 * Brings a local stack up, or repairs what differs, and proves it. Nothing to do touches
 * nothing.
 * @throws Problem of every kind that its steps throw; INTERRUPTED after Ctrl-C
 */
export async function up(settings: Settings, asked: UpAsked, tools: Tools): Promise<UpOutcome> {
  await readyEngine(tools);
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const unlock = takeLock(directory, `up:${settings.environment}`, new Date(tools.now()));
  try {
    return await bringUp(settings, asked, directory, tools);
  } finally {
    unlock();
  }
}

async function bringUp(
  settings: Settings,
  asked: UpAsked,
  directory: string,
  tools: Tools,
): Promise<UpOutcome> {
  const observed = await tools.engine.containers(settings.project);
  refuseForeign(settings.project, observed);
  const images = await obtainImages(
    settings,
    [...imageSettings(settings), "POSTGRES_IMAGE"],
    tools,
  );
  const releases = readReleases(directory);
  const last = releases.find((one) => one.outcome === "good");
  const from = last?.id ?? null;
  const id = nextReleaseId(directory);
  const prepared = prepareStack(settings, {
    release: id,
    images: images.bySetting,
    observed,
    secretKey: secretKey(directory, tools.randomBytes),
  });
  const changes = planChanges(prepared.stack, observed, images.idByReference);
  if (changes.every((one) => one.action === "none")) {
    const checks = await proveStack(settings, prepared, directory, tools, "quick");
    expectPassed(checks, settings.environment);
    return { release: from ?? id, from, changes, checks, prepared };
  }
  const judged =
    last?.services["collector"]?.imageId ===
      images.idByReference.get(images.bySetting.get("COLLECTOR_IMAGE") ?? "") &&
    readReleaseFile(directory, last?.id ?? "", "collector.yaml") === prepared.collector;
  await preflight(settings, asked, prepared, changes, images, judged, tools);
  const release = describeRelease(id, settings, prepared, images, tools);
  const file = keepRelease(directory, release, {
    "compose.yaml": prepared.stack.text,
    "collector.yaml": prepared.collector,
    "settings.env": settingsText(settings),
  });
  const told = journaled(tools, directory, id, `up:${settings.environment}`);
  for (const change of changes.filter((one) => one.action !== "none")) {
    tools.say.note(`${change.action} ${change.service}: ${change.causes.join(", ")}`);
  }
  try {
    const postgres = images.bySetting.get("POSTGRES_IMAGE")!;
    await execute({ settings, stack: prepared.stack, file, changes, postgres }, told);
    const containers = await tools.engine.containers(settings.project);
    const container = containers.find((one) => one.service === "postgres")?.id;
    const database = databaseOf(settings, { container, image: postgres }, tools.engine);
    const [checks, at] = await Promise.all([
      told.say.step(
        "proof",
        () => proveStack(settings, prepared, directory, tools, "whole"),
        checksSummary,
      ),
      revision(database, prepared.stack.server.revisionQuery),
    ]);
    expectPassed(checks, settings.environment);
    updateRelease(directory, { ...release, outcome: "good", revision: at });
    return { release: id, from, changes, checks, prepared };
  } catch (error) {
    updateRelease(directory, { ...release, outcome: "failed" });
    if (tools.signal.aborted) throw await undo(settings, prepared.stack, changes, told);
    throw error;
  }
}

async function preflight(
  settings: Settings,
  asked: UpAsked,
  { stack, collector }: PreparedStack,
  changes: readonly Change[],
  images: Images,
  judged: boolean,
  tools: Tools,
): Promise<void> {
  refuseStateful(stack, changes, asked.recreate);
  await tools.say.step("preflight", async () => {
    await Promise.all([
      expectVersions(tools),
      validateStack(stack),
      judged ? undefined : validateCollector(collector, changes, images, tools),
      refuseTakenPorts(stack, changes, tools),
      refuseFullDisk("run", tools),
    ]);
    const uri = settings.secrets.get("LETTA_PG_URI");
    if (uri === undefined) return;
    const image = images.bySetting.get("POSTGRES_IMAGE")!;
    const database = databaseOf(settings, { container: undefined, image }, tools.engine);
    const place = `${settings.origin("LETTA_PG_URI")}: LETTA_PG_URI (${new URL(uri).host})`;
    await judgeDatabase(database, place);
  });
}
