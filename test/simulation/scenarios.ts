import type { Command } from "./command.ts";
import type { ClusterOptions } from "./servers.ts";

/** What someone did without any fault before the run begins. */
export interface Past {
  readonly name: string;
  readonly commands: readonly Command[];
  /** Else it is bundled. */
  readonly database?: ClusterOptions;
}

const deploy = (version: string): Command => ({ kind: "deploy", version });
const rollback = (version: string, more: Partial<Command> = {}): Command => ({
  kind: "rollback",
  version,
  ...more,
});
const backup = (version: string): Command => ({ kind: "backup", version });

/** The server is stopped before the other one starts, and nothing waits at the proxy. */
const recreate = (command: Command): Command => ({ ...command, strategy: "recreate" });

/** So many of them were there when the first schedules were drawn. */
export const earlyScenarios = 7;

/** The pasts, each with what may come next. */
export const scenarios: readonly { readonly past: Past; readonly next: readonly Command[] }[] = [
  {
    past: { name: "nothing", commands: [] },
    next: [deploy("1.0.0"), deploy("2.0.0"), deploy("6.0.0")],
  },
  {
    past: { name: "1", commands: [deploy("1.0.0")] },
    next: [
      deploy("1.0.0"),
      deploy("1.1.0"),
      deploy("2.0.0"),
      deploy("3.0.0"),
      deploy("4.0.0"),
      deploy("4.0.0"),
      deploy("5.0.0"),
      deploy("6.0.0"),
      deploy("7.0.0"),
      backup("1.0.0"),
    ],
  },
  {
    past: { name: "1-1.1", commands: [deploy("1.0.0"), deploy("1.1.0")] },
    next: [rollback("1.1.0"), deploy("2.0.0"), deploy("1.0.0")],
  },
  {
    past: { name: "1-2", commands: [deploy("1.0.0"), deploy("2.0.0")] },
    next: [
      rollback("2.0.0"),
      rollback("2.0.0", { databaseStrategy: "restore" }),
      rollback("2.0.0", { databaseStrategy: "copy" }),
      rollback("2.0.0", { databaseStrategy: "downgrade" }),
      deploy("3.0.0"),
      deploy("7.0.0"),
      backup("2.0.0"),
    ],
  },
  {
    past: { name: "1-2-back", commands: [deploy("1.0.0"), deploy("2.0.0"), rollback("2.0.0")] },
    next: [deploy("2.0.0"), deploy("3.0.0"), rollback("1.0.0"), deploy("1.1.0")],
  },
  {
    past: { name: "1-3-4", commands: [deploy("1.0.0"), deploy("3.0.0"), deploy("4.0.0")] },
    next: [
      rollback("4.0.0", { databaseStrategy: "auto" }),
      rollback("4.0.0", { databaseStrategy: "restore" }),
      rollback("4.0.0", { databaseStrategy: "downgrade" }),
      rollback("4.0.0", { databaseStrategy: "restore", to: "1.0.0" }),
      { kind: "backup", version: "4.0.0" },
    ],
  },
  {
    past: {
      name: "1-2-backups",
      commands: [deploy("1.0.0"), deploy("2.0.0"), backup("2.0.0"), backup("2.0.0")],
    },
    next: [
      { kind: "restore", version: "2.0.0" },
      deploy("3.0.0"),
      deploy("4.0.0"),
      backup("2.0.0"),
      rollback("2.0.0", { databaseStrategy: "restore" }),
    ],
  },
  {
    past: { name: "outside-1", commands: [deploy("1.0.0")], database: { isExternal: true } },
    next: [deploy("1.1.0"), deploy("2.0.0"), deploy("4.0.0"), deploy("5.0.0"), backup("1.0.0")],
  },
  {
    past: {
      name: "outside-1-2",
      commands: [deploy("1.0.0"), deploy("2.0.0"), backup("2.0.0")],
      database: { isExternal: true },
    },
    next: [
      rollback("2.0.0"),
      rollback("2.0.0", { databaseStrategy: "restore" }),
      rollback("2.0.0", { databaseStrategy: "copy" }),
      { kind: "restore", version: "2.0.0" },
      deploy("3.0.0"),
    ],
  },
  {
    past: {
      name: "outside, no CREATEDB",
      commands: [deploy("1.0.0")],
      database: { isExternal: true, mayCreate: false },
    },
    next: [deploy("1.1.0"), deploy("2.0.0"), deploy("4.0.0"), backup("1.0.0")],
  },
  {
    past: { name: "1-2, without a pause", commands: [deploy("1.0.0"), recreate(deploy("2.0.0"))] },
    next: [
      recreate(deploy("3.0.0")),
      recreate(deploy("4.0.0")),
      recreate(rollback("2.0.0")),
      recreate(rollback("2.0.0", { databaseStrategy: "restore" })),
      recreate(rollback("2.0.0", { databaseStrategy: "copy" })),
    ],
  },
];
