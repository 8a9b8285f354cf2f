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
    file: "state/writeFile.ts",
    from: "fsyncSync(file);",
    to: "",
  },
  {
    name: "a renamed file's folder is not synced",
    file: "state/writeFile.ts",
    from: "syncFolder(dirname(path));",
    to: "",
    seed: 50,
  },
  {
    name: "a manifest is written in its place",
    file: "state/writeFile.ts",
    from: "const temporary = `${path}.${process.pid}.new`;",
    to: "const temporary = path;",
    seed: 665,
  },
  {
    name: "a new release's name is not synced",
    file: "state/releases.ts",
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
    file: "deploy/lockStack.ts",
    from: "const check = async () => {",
    to: "await held.release(); const check = async () => undefined; const unchecked = async () => {",
  },
  {
    name: "the stack's lock is not taken",
    file: "deploy/lockStack.ts",
    from: "await takeEngineLock(engine, settings.project, holder, options);",
    to: "{ isAlive: () => Promise.resolve(true), release: () => Promise.resolve() };",
  },
  {
    name: "no one looks for a run that was interrupted",
    file: "deploy/recover.ts",
    from: "const interrupted = unfinished(directory);",
    to: "const interrupted = undefined as ReturnType<typeof unfinished>;",
  },
  {
    name: "recovery trusts the manifest over the database",
    file: "deploy/recover.ts",
    from: "return sameRevisions(seen.revision, interrupted.revision);",
    to: "return interrupted.revision.length > 0;",
    seed: 60,
  },
  {
    name: "recovery records what it has not activated",
    file: "deploy/recover.ts",
    from: "const { release } = await applyRelease(releaseInput, context);",
    to: 'const release = { ...interrupted, outcome: "good" as const, revision: at }; (await import("../state/releases.ts")).updateRelease(directory, release); void applyRelease; void releaseInput;',
  },
  {
    name: "a release is good before it is verified",
    file: "deploy/applyRelease.ts",
    from: "await keeping;",
    to: 'await keeping; updateRelease(directory, { ...manifest, outcome: "good", revision: manifest.heads });',
  },
  {
    name: "what failed its checks counts as verified",
    file: "deploy/verifyRelease.ts",
    from: "if (failed.length === 0) return;",
    to: "return;",
    seed: 2495,
  },
  {
    name: "no snapshot is taken although the old server does not tolerate the migration",
    file: "deploy/confirmLongPause.ts",
    from: "return !(oldServerStays &&",
    to: "return oldServerStays && !(",
  },
  {
    name: "no copy is retained of the database before a migration",
    file: "deploy/strategies/migrate.ts",
    from: 'copyDatabase(now, now.name, marks("snapshot"), context.signal),',
    to: "Promise.resolve(),",
  },
  {
    name: "two databases change their names one after the other",
    file: "database/alterDatabases.ts",
    from: "  return alterAlone(",
    to: "  for (const one of statements) await alterAlone(server, { involved, alone: [] }, one, pairs);\n  if (statements.length > 0) return [];\n  return alterAlone(",
    seed: 195,
  },
  {
    name: "servers of two schemas come to be side by side",
    file: "deploy/imageHistory.ts",
    from: "return present === undefined || !sameRevisions(present.heads, heads);",
    to: "return present === undefined;",
  },
  {
    name: "a server whose release is not known counts as of the new one's schema",
    file: "deploy/imageHistory.ts",
    from: "return present === undefined || !",
    to: "return present !== undefined && !",
  },
  {
    name: "a rollback swaps the snapshot in over acknowledged writes",
    file: "deploy/rollBackDatabase.ts",
    from: 'if (hasPrevious && !hasTakenWrites) return "swap";',
    to: 'if (hasPrevious) return "swap";',
  },
  {
    name: "a rollback leaves the failed one's database in place",
    file: "deploy/rollBackDatabase.ts",
    from: 'if (action === "swap") {',
    to: 'if (action === "swap" && input.failed.databaseStrategy === "restore") {',
  },
  {
    name: "a retained database counts as scratch",
    file: "database/alterDatabases.ts",
    from: '["rehearsal", "verification", "incoming", "snapshot"]',
    to: '["rehearsal", "verification", "incoming", "snapshot", "retained"]',
  },
  {
    name: "images get no name of their own",
    file: "deploy/applyRelease.ts",
    from: "const keeping = keepImages(target.settings, imageIds, context);",
    to: "const keeping = keepImages(target.settings, imageIds.slice(0, 0), context);",
  },
  {
    name: "the newest backup is let go",
    file: "state/backups.ts",
    from: "!stay.has(one.id)",
    to: "true",
  },
  {
    name: "copies are not cleared away after a kill",
    file: "deploy/recover.ts",
    from: "if (isInOrder) await clearAll(settings, session);",
    to: "",
    seed: 50,
  },
  {
    name: "a rollback that is owed is forgotten",
    file: "deploy/recover.ts",
    from: 'const isOwed = outcome === "failed" && kind !== "up" && seconds === null;',
    to: "const isOwed = false && kind && seconds;",
    seed: 670,
  },
  {
    name: "a torn line of the journal is written on",
    file: "state/journal.ts",
    from: '${torn ? "\\n" : ""}',
    to: "",
    seed: 1015,
  },
  {
    name: "a secret goes into the release's settings",
    file: "deploy/describeRelease.ts",
    from: "!settings.secrets.has(one.name) &&",
    to: "",
  },
  {
    name: "an interrupted run says nothing of what it did",
    file: "deploy/rollbackAutomatically.ts",
    from: "const back = await tryTwice({ ...input, present, why }, { ...session, context });",
    to: "const back = present; void tryTwice;",
  },
  {
    name: "the point of no return is not recorded",
    file: "deploy/replaceServer.ts",
    from: 'if (manifest.databaseStrategy === "migrate") recordTookWrites(directory, manifest.id);',
    to: "void recordTookWrites; void directory;",
    seed: 3_470,
  },
  {
    name: "nor that they may be, to the old server that goes on",
    file: "deploy/runStrategy.ts",
    from: "if (stays) recordFirstWrites(next);",
    to: "void recordFirstWrites;",
    seed: 2205,
  },
  {
    name: "the old server goes on whatever the rehearsal showed",
    file: "deploy/rehearse.ts",
    from: "return rehearsal?.sideBySide?.passed === true && rehearsal.rollbackCheck?.passed === true;",
    to: "return rehearsal !== null;",
  },
  {
    name: "the rows that a swap retains are not reported",
    file: "deploy/strategies/databaseStrategy.ts",
    from: "await noteRetained(now, nameOf(run, retained), session)",
    to: '((void noteRetained, ""))',
  },
  {
    name: "recovery tells nothing of the rows that a killed swap retained",
    file: "deploy/recover.ts",
    from: "await tellRetained(seen.database, interrupted.id, session);",
    to: "void tellRetained;",
  },
  {
    name: "a rollback tells nothing of the rows that it retains",
    file: "deploy/rollBackRelease.ts",
    from: "await tellRetained(seen.database, failed.id, session);",
    to: "void tellRetained;",
  },
  {
    name: "rows are distinguished by their number",
    file: "database/rowsOnlyIn.ts",
    from: "if (own !== undefined && other !== undefined) {",
    to: "if (own === undefined && other !== undefined) {",
  },
  {
    name: "a server that served on a newer schema has only its own heads back",
    file: "deploy/rollBackDatabase.ts",
    from: "sameRevisions(at, heads) || sameRevisions(at, facts.served)",
    to: "sameRevisions(at, heads)",
  },
  {
    name: "an external database is not locked",
    file: "deploy/lockStack.ts",
    from: "context: { ...context, engine: fenced(engine, check), databaseLock },",
    to: "context: { ...context, engine: fenced(engine, check) },",
  },
  {
    name: "a database that has just stopped counts as none",
    file: "deploy/assertReady.ts",
    from: "if (database === undefined) await assertNotStopped(settings, context);",
    to: "void assertNotStopped;",
  },
  {
    name: "a first migration that is under way is not waited for",
    file: "deploy/deploy.ts",
    from: "await migrationEnded(settings, target.prepared.stack, context);",
    to: "void migrationEnded;",
  },
  {
    name: "a refusal after a recovery ends as if nothing had been touched",
    file: "deploy/session.ts",
    from: "throw withRetained(touches.truthful(error), retained);",
    to: "throw error;",
  },
  {
    name: "the server that a failed rollback left counts as rehearsed",
    file: "deploy/runStrategy.ts",
    from: "sideBySide: sideBySide && isRehearsed,",
    to: "sideBySide: sideBySide && (isRehearsed || true),",
  },
  {
    name: "the server is not stopped for the database's work",
    file: "deploy/runStrategy.ts",
    from: 'await stopAll(stack, [service], context, "stop");',
    to: "void service;",
  },
  {
    name: "a restored release has the heads of its database",
    file: "deploy/runPlan.ts",
    from: '(rollout.kind === "restore" && present?.heads) || schema.heads',
    to: "schema.heads",
  },
];
