/** A fault that is made on purpose: what must hold, which tests make it, what of it is still open. */
export interface Fault {
  readonly number: number;
  readonly what: string;
  /** Files below test/ with the beginnings of their tests' names; no name stands for all. */
  readonly tests: readonly (readonly [file: string, name?: string])[];
  /** What of it no one has made happen here yet: with this it counts as open, never as passed. */
  readonly open?: string;
}

/**
 * The faults that operators meet, by part: tool process 1-8, Docker 9-16, database and migration
 * 17-25, telemetry 26-34, input 35-40.
 */
export const catalogue: readonly Fault[] = [
  {
    number: 1,
    what: "kill -9 of the tool at every line of its journal",
    tests: [["real/killed"], ["real/upAgain", "after kill -9 in the middle"]],
  },
  {
    number: 2,
    what: "signals, a closed reader, a closed terminal",
    tests: [
      ["real/exits", "4: Ctrl-C in the middle"],
      ["real/exits", "3: Ctrl-C before"],
      ["real/upAgain", "Ctrl-C while the server boots"],
      ["real/faults", "2: closing the reader"],
      ["real/faults", "2: a terminal that is closed"],
      ["commands/terminal", "a Ctrl-C that reaches us twice"],
    ],
  },
  {
    number: 3,
    what: "two deploys at once",
    tests: [
      ["real/exits", "6: "],
      ["real/upAgain", "two at once"],
    ],
  },
  {
    number: 4,
    what: "a lock whose holder is dead",
    tests: [["state/lock"]],
  },
  {
    number: 5,
    what: "a state file that is damaged, cut, empty, of another format or project",
    tests: [
      ["real/exits", "3: a state of a later format"],
      ["real/exits", "a damaged manifest"],
      ["state/releases"],
      ["state/journal"],
      ["real/refusals", "a project directory that cannot be written"],
    ],
  },
  {
    number: 6,
    what: "no space left, or an error, in the middle of a write",
    tests: [
      ["state/removePartialWrites"],
      ["real/faults", "6: a state directory that is full"],
      ["real/faults", "6: one that fills up"],
      ["real/faults", "6: a state directory whose disk breaks"],
      ["real/faults", "6: one whose disk breaks"],
      ["deploy/journaled", "a journal that cannot be written"],
    ],
  },
  {
    number: 7,
    what: "a clock that is wrong or goes back",
    tests: [
      ["state/chooseExpired"],
      ["real/faults", "7: a clock that is set back"],
      ["real/faults", "7: a clock that is a day off"],
    ],
  },
  {
    number: 8,
    what: "symbolic links and directories open to all where state is retained",
    tests: [["state/stateDirectory"]],
  },
  {
    number: 9,
    what: "the engine restarts, does not answer, may not be asked",
    tests: [
      ["real/refusals", "an engine that does not answer"],
      ["real/engineRestart", "an engine that is killed in the middle of a deploy"],
      ["real/refusals", "a socket"],
    ],
  },
  {
    number: 10,
    what: "Compose killed between creating and renaming",
    tests: [["real/killed"]],
  },
  {
    number: 11,
    what: "an image is missing, its registry away, of another digest or for another machine",
    tests: [
      ["real/pull", "IMAGE_SOURCE=pull is refused"],
      ["real/registry"],
      ["real/faults", "11: a registry that has had enough"],
    ],
  },
  {
    number: 12,
    what: "the engine's disk is full",
    tests: [["deploy/guards"], ["real/smallEngine", "12: "]],
  },
  {
    number: 13,
    what: "a port or a volume that belongs to another owner, no addresses left for a network",
    tests: [
      ["real/refusals", "a taken port"],
      ["real/refusals", "a port that a container"],
      ["real/refusals", "a volume that someone"],
      ["real/smallEngine", "13: "],
      ["real/faults", "13: volumes"],
    ],
  },
  {
    number: 14,
    what: "a part that dies after it was green",
    tests: [
      ["real/exits", "5: once the migrated database has taken writes"],
      ["real/faults", "14: a server that runs out of memory"],
    ],
  },
  {
    number: 15,
    what: "a Compose that is too old, a project name that is taken",
    tests: [
      ["real/refusals", "a Compose that is too old"],
      ["real/refusals", "containers of another owner"],
    ],
  },
  {
    number: 16,
    what: "the host starts again",
    tests: [
      ["real/faults", "16: all parts, killed at once"],
      ["real/engineRestart", "after a restart of the engine"],
    ],
  },
  {
    number: 17,
    what: "a migration fails in the middle",
    tests: [
      ["real/exits", "4: a migration that fails only for real"],
      ["real/exits", "3: what fails on a copy"],
      ["real/fakeServer", "5.0's migration fails"],
      ["real/lettaFaults", "17: a migration"],
    ],
  },
  {
    number: 18,
    what: "a migration is killed, or its database",
    tests: [
      ["real/killed", "a deploy"],
      ["real/faults", "18: Postgres killed in the middle"],
      ["real/lettaFaults", "18: Postgres killed"],
    ],
  },
  {
    number: 19,
    what: "an idle session blocks a migration",
    tests: [
      ["real/faults", "19: an idle session"],
      ["real/lettaFaults", "19: an idle session"],
    ],
  },
  {
    number: 20,
    what: "a new server is not healthy after a good migration",
    tests: [
      ["real/exits", "3: what fails on a copy"],
      ["real/fakeServer", "6.0 migrates"],
      ["real/lettaFaults", "20: "],
    ],
  },
  {
    number: 21,
    what: "a backup that fails, is cut or has a flipped byte",
    tests: [
      ["real/backup", "a dump with a flipped byte"],
      ["real/backup", "an archive that pg_restore"],
      ["real/backup", "a dump that cannot be taken whole"],
      ["real/operations", "a flipped byte"],
      ["real/lettaFaults", "21: a backup"],
    ],
  },
  {
    number: 22,
    what: "a rollback across heads, twice, of a rollback, after new writes",
    tests: [["real/exits", "3: a rollback across"], ["real/letta"]],
  },
  {
    number: 23,
    what: "a revision that is unknown, double or missing; a database outside without vector",
    tests: [
      ["real/exits", "3: a schema that no one knows"],
      ["real/database"],
      ["real/lettaFaults", "23: a revision"],
    ],
  },
  {
    number: 24,
    what: "a password that the database's volume does not know",
    tests: [
      ["real/upAgain", "a volume made with another password"],
      ["real/lettaFaults", "24: a password"],
    ],
  },
  {
    number: 25,
    what: "an encryption key that is missing or another one",
    tests: [
      ["real/exits", "3: each thing that must not be"],
      ["deploy/guards"],
      ["real/lettaFaults", "25: another"],
    ],
  },
  {
    number: 26,
    what: "the collector is down during a deploy",
    tests: [
      ["real/delivery", "a collector that is killed"],
      ["real/telemetry", "with its collector killed"],
      ["real/faults", "26: telemetry that does not arrive"],
    ],
  },
  {
    number: 27,
    what: "ClickHouse is away and comes back",
    tests: [
      ["real/delivery", "a sink that is away"],
      ["real/backends", "ClickHouse: what it does not take"],
    ],
  },
  {
    number: 28,
    what: "ClickHouse is away when the collector starts",
    tests: [
      ["real/doctor", "a collector whose ClickHouse is away at its start"],
      ["real/firstSink"],
    ],
  },
  {
    number: 29,
    what: "ClickHouse hangs, refuses, or is full",
    tests: [
      ["real/delivery", "a ClickHouse that is away"],
      ["real/doctor", "a wrong ClickHouse password"],
      ["real/doctor", "a ClickHouse that hangs"],
      ["real/doctor", "a ClickHouse whose disk is full"],
    ],
  },
  {
    number: 30,
    what: "one of two sinks is down",
    tests: [
      ["real/backends", "Datadog: a wrong key"],
      ["real/delivery", "a sink that refuses"],
    ],
  },
  {
    number: 31,
    what: "a queue that is full, cannot be written or is damaged",
    tests: [
      ["real/telemetry", "a damaged queue file"],
      ["real/doctor", "a queue that the collector cannot write to"],
      ["real/doctor", "a queue whose disk is full"],
    ],
  },
  {
    number: 32,
    what: "spans that are too large, too many, malformed or a bomb",
    tests: [["real/faults", "32: spans that are malformed"]],
  },
  {
    number: 33,
    what: "log files that turn over, lines that are no JSON, long or no UTF-8",
    tests: [["real/configurations"]],
  },
  {
    number: 34,
    what: "a collector is stopped with work left",
    tests: [["real/localCollector", "it comes out of its image"]],
  },
  {
    number: 35,
    what: "malformed env files and YAML",
    tests: [["settings/parseEnvFile"], ["settings/readSettings"], ["real/refusals", "settings"]],
  },
  {
    number: 36,
    what: "values with everything a shell or a parser might take",
    tests: [["settings/quoteEnvValue"], ["stack/renderStack"], ["real/clickhouse"]],
  },
  {
    number: 37,
    what: "paths that lead elsewhere, names that are too long, odd directories",
    tests: [["state/stateDirectory"], ["real/refusals", "a project directory"]],
  },
  {
    number: 38,
    what: "required settings that are missing, empty or placeholders",
    tests: [["settings/readSettings"], ["settings/rolloutSettings"]],
  },
  {
    number: 39,
    what: "a download that is tampered with, cut, or something else",
    tests: [["commands/obtainCollector"]],
  },
  {
    number: 40,
    what: "files and containers that someone changed by hand",
    tests: [["real/operations", "drift is reported"]],
  },
];
