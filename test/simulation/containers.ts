import type { ComposeCall, ObservedContainer } from "../../scripts/docker/engine.ts";
import { memo } from "./memo.ts";
import { parse } from "./replaced/yaml.ts";

/** What Compose reads of a service. */
export interface ServiceInFile {
  readonly image: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly restart?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly healthcheck?: unknown;
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ServiceInFile>>;
  readonly volumes?: Readonly<Record<string, { external?: boolean } | null>>;
}

/** A container: plain data, so that a world can be copied. */
export interface SimulatedContainer {
  readonly id: string;
  readonly project: string;
  readonly service: string;
  readonly file: ServiceInFile;
  /** The database its server or migration works on. */
  readonly database: string;
  name: string;
  state: ObservedContainer["state"];
  health: ObservedContainer["health"];
  exitCode: number | undefined;
  readonly imageId: string;
  restarts: number;
  startedAt: string;
  /** Counts its starts and ends: what an earlier life still had to do is not done any more. */
  life: number;
  /** Stopped by someone: it does not come back by itself. */
  stopped: boolean;
  /** Its server or migration is connected to its database. */
  connected: boolean;
}

/** A Compose file as it is on the disk; the same text is read once. */
export const readComposeFile = memo(
  (text: string) => parse(text) as ComposeFile,
  (text) => text,
);

/** The database that LETTA_PG_URI of a service names, its variables filled in as Compose does. */
export function databaseIn(file: ServiceInFile, { secrets }: ComposeCall): string {
  const uri = file.environment?.["LETTA_PG_URI"] ?? "";
  const filled = uri.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => secrets[name] ?? "");
  return filled.slice(filled.lastIndexOf("/") + 1);
}

export function observed(one: SimulatedContainer): ObservedContainer {
  const { id, name, service, state, health, exitCode, imageId, file } = one;
  const { image, labels = {} } = file;
  return { id, name, service, state, health, exitCode, image, imageId, labels };
}
