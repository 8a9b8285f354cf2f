/** A mistake in the tool's source, as the loader makes it: the first text becomes the second. */
export interface Mutant {
  readonly name: string;
  /** Below scripts/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** A seed from which on it was found soon. */
  readonly seed?: number;
}

/** What the simulation has to find, each. */
export const mutants: readonly Mutant[] = [
  {
    name: "a file is renamed before it is on the disk",
    file: "ledger/writeFile.ts",
    from: "fsyncSync(file);",
    to: "",
  },
  {
    name: "a renamed file's folder is not synced",
    file: "ledger/writeFile.ts",
    from: "syncFolder(dirname(path));",
    to: "",
    seed: 50,
  },
  {
    name: "a sheet is written in its place",
    file: "ledger/writeFile.ts",
    from: "const beside = `${path}.${process.pid}.new`;",
    to: "const beside = path;",
    seed: 665,
  },
  {
    name: "a new release's name is not synced",
    file: "ledger/releases.ts",
    from: 'syncFolder(join(directory, "releases"));',
    to: "",
    seed: 600,
  },
  {
    name: "a dump is renamed before it is on the disk",
    file: "database/dump.ts",
    from: "await file.sync();",
    to: "",
    seed: 65,
  },
  {
    name: "the lock is given back at once",
    file: "rollout/lockStack.ts",
    from: "const check = async () => {",
    to: "await held.release(); const check = async () => undefined; const unchecked = async () => {",
  },
  {
    name: "the stack's lock is not taken",
    file: "rollout/lockStack.ts",
    from: "await takeEngineLock(engine, settings.project, holder, wish);",
    to: "{ isAlive: () => Promise.resolve(true), release: () => Promise.resolve() };",
  },
  {
    name: "nobody looks for a run that was cut off",
    file: "rollout/recover.ts",
    from: "const cut = unfinished(directory);",
    to: "const cut = undefined as ReturnType<typeof unfinished>;",
  },
  {
    name: "recovery trusts the sheet over the database",
    file: "rollout/recover.ts",
    from: "return sameRevisions(seen.revision, cut.revision);",
    to: "return cut.revision.length > 0;",
    seed: 60,
  },
  {
    name: "recovery records what it has not activated",
    file: "rollout/recover.ts",
    from: "const { release } = await activate(activation, tools);",
    to: 'const release = { ...cut, outcome: "good" as const, revision: at }; (await import("../ledger/releases.ts")).updateRelease(directory, release); void activate; void activation;',
  },
  {
    name: "a release is good before it is proven",
    file: "rollout/activate.ts",
    from: "await keeping;",
    to: 'await keeping; updateRelease(directory, { ...sheet, outcome: "good", revision: sheet.heads });',
  },
  {
    name: "what failed its checks counts as proven",
    file: "proof/proveStack.ts",
    from: "if (failed.length === 0) return;",
    to: "return;",
    seed: 2495,
  },
  {
    name: "no snapshot is taken although the old server does not tolerate the migration",
    file: "rollout/takesSnapshot.ts",
    from: "return !(oldServerStays &&",
    to: "return oldServerStays && !(",
  },
  {
    name: "no copy is kept of the database before a migration",
    file: "rollout/makeReady.ts",
    from: 'copyDatabase(now, now.name, marks("snapshot"), told.signal),',
    to: "Promise.resolve(),",
  },
  {
    name: "two databases change their names one after the other",
    file: "database/swapNames.ts",
    from: "  return alterAlone(",
    to: "  for (const one of statements) await alterAlone(server, { involved, alone: [] }, one, pairs);\n  if (statements.length > 0) return [];\n  return alterAlone(",
    seed: 195,
  },
  {
    name: "servers of two schemas come to be beside each other",
    file: "cutover/otherHeads.ts",
    from: "return present === undefined || !sameRevisions(present.heads, heads);",
    to: "return present === undefined;",
  },
  {
    name: "a server whose release is not known counts as of the new one's schema",
    file: "cutover/otherHeads.ts",
    from: "return present === undefined || !",
    to: "return present !== undefined && !",
  },
  {
    name: "a rollback swaps the snapshot in over acknowledged writes",
    file: "rollout/planDatabaseBack.ts",
    from: 'if (hasFormer && !hasTakenWrites) return "swap";',
    to: 'if (hasFormer) return "swap";',
  },
  {
    name: "a way back leaves the failed one's database in place",
    file: "rollout/databaseBack.ts",
    from: 'if (action === "swap") {',
    to: 'if (action === "swap" && input.failed.way === "restore") {',
  },
  {
    name: "a retained database counts as scratch",
    file: "database/dropScratch.ts",
    from: '["rehearsal", "proof", "incoming", "snapshot"]',
    to: '["rehearsal", "proof", "incoming", "snapshot", "retained"]',
  },
  {
    name: "images get no name of their own",
    file: "rollout/activate.ts",
    from: "const keeping = keepImages(target.settings, imageIds, tools);",
    to: "const keeping = keepImages(target.settings, imageIds.slice(0, 0), tools);",
  },
  {
    name: "the newest backup is let go",
    file: "ledger/chooseExpired.ts",
    from: "!stay.has(one.id)",
    to: "true",
  },
  {
    name: "copies are not cleared away after a kill",
    file: "rollout/recover.ts",
    from: "if (isInOrder) await clearAll(settings, session);",
    to: "",
    seed: 50,
  },
  {
    name: "a way back that is owed is forgotten",
    file: "rollout/recover.ts",
    from: 'const isOwed = outcome === "failed" && kind !== "up" && seconds === null;',
    to: "const isOwed = false && kind && seconds;",
    seed: 670,
  },
  {
    name: "a torn line of the journal is written on",
    file: "ledger/journal.ts",
    from: '${torn ? "\\n" : ""}',
    to: "",
    seed: 1015,
  },
  {
    name: "a secret goes into the release's settings",
    file: "rollout/settingsText.ts",
    from: "!settings.secrets.has(one.name) &&",
    to: "",
  },
  {
    name: "an interrupted run says nothing of what it did",
    file: "rollout/wayBack.ts",
    from: "const back = await goBack({ ...asked, present, why }, { ...session, tools });",
    to: "const back = present; void goBack;",
  },
  {
    name: "nobody writes down that requests were let in",
    file: "cutover/road.ts",
    from: 'if (sheet.way === "migrate") letIn(directory, sheet.id);',
    to: "void letIn; void directory;",
    seed: 3_470,
  },
  {
    name: "nor that they may be, to the old server that goes on",
    file: "cutover/cutOver.ts",
    from: "if (stays) noteLetIn(next);",
    to: "void noteLetIn;",
    seed: 2205,
  },
  {
    name: "the old server goes on whatever the rehearsal showed",
    file: "rollout/rehearse.ts",
    from: "return rehearsal?.beside?.passed === true && rehearsal.wayBack?.passed === true;",
    to: "return rehearsal !== null;",
  },
  {
    name: "nothing is told of the rows that a swap retains",
    file: "rollout/tryWays.ts",
    from: "await noteRetained(now, databaseOf(retained), session)",
    to: '((void noteRetained, ""))',
  },
  {
    name: "recovery tells nothing of the rows that a killed swap retained",
    file: "rollout/recover.ts",
    from: "await tellRetained(seen.database, cut.id, session);",
    to: "void tellRetained;",
  },
  {
    name: "a rollback tells nothing of the rows that it retains",
    file: "rollout/goBack.ts",
    from: "await tellRetained(seen.database, failed.id, session);",
    to: "void tellRetained;",
  },
  {
    name: "rows are told apart by their number",
    file: "database/rowsOnlyIn.ts",
    from: "if (own !== undefined && other !== undefined) {",
    to: "if (own === undefined && other !== undefined) {",
  },
  {
    name: "a server that served on a newer schema has only its own heads back",
    file: "rollout/planDatabaseBack.ts",
    from: "sameRevisions(at, heads) || sameRevisions(at, facts.served)",
    to: "sameRevisions(at, heads)",
  },
  {
    name: "an external database is not locked",
    file: "rollout/lockStack.ts",
    from: "tools: { ...tools, engine: fenced(engine, check), databaseLock },",
    to: "tools: { ...tools, engine: fenced(engine, check) },",
  },
  {
    name: "a database that has just stopped counts as none",
    file: "rollout/rollOut.ts",
    from: "if (database === undefined) await refuseStopped(settings, tools);",
    to: "void refuseStopped;",
  },
  {
    name: "a first migration that is under way is not waited for",
    file: "rollout/deploy.ts",
    from: "await migrationEnded(settings, target.prepared.stack, tools);",
    to: "void migrationEnded;",
  },
  {
    name: "a refusal after a recovery ends as if nothing had been touched",
    file: "rollout/session.ts",
    from: "throw withRetained(touches.truthful(error), retained);",
    to: "throw error;",
  },
  {
    name: "the server that a failed rollback left counts as rehearsed",
    file: "cutover/cutOver.ts",
    from: "beside: beside && isRehearsed,",
    to: "beside: beside && (isRehearsed || true),",
  },
  {
    name: "the server is not stopped for the database's work",
    file: "cutover/cutOver.ts",
    from: 'await stopAll(stack, [service], tools, "stop");',
    to: "void service;",
  },
  {
    name: "a restored release has the heads of its database",
    file: "rollout/carryOut.ts",
    from: '(rollout.kind === "restore" && present?.heads) || schema.heads',
    to: "schema.heads",
  },
];
