import * as v from "valibot";
import { Problem } from "../common/problem.ts";
import type { ValueMap } from "./mergeSources.ts";

const argv = v.pipe(v.array(v.string()), v.minLength(1));

const schema = v.object({
  service: v.string(),
  migrate: v.string(),
  /** Where it listens in its container. */
  port: v.optional(v.pipe(v.number(), v.integer())),
  versionPath: v.string(),
  versionField: v.string(),
  readPath: v.string(),
  revisionQuery: v.string(),
  /** Prints the image's revisions, one a line: revision, those before it, title; tabs between. */
  history: argv,
  /** Brings a database down to the revision that is appended. */
  downgrade: argv,
  /** Environment that a rehearsal leaves out: it must reach no one. */
  quiet: v.array(v.string()),
  /** Requests that write, read and delete, each answered with 2xx; `{name}` is what was remembered. */
  smoke: v.array(
    v.object({
      request: v.pipe(v.string(), v.regex(/^(GET|POST|PATCH|PUT|DELETE) \//)),
      send: v.optional(v.record(v.string(), v.unknown())),
      keep: v.optional(v.record(v.string(), v.string())),
    }),
  ),
  /** What an older server needs changed in a newer one's rows; semver ranges say when. */
  repairs: v.array(
    v.object({
      description: v.string(),
      from: v.string(),
      to: v.string(),
      sql: v.array(v.string()),
    }),
  ),
});

/** What the tool knows of the server it runs, from `x-app` in compose/server.yaml. */
export type ServerRole = v.InferOutput<typeof schema> & { readonly port: number };

/** @throws Problem SOURCE_INVALID where x-app lacks something */
export function readServerRole(model: ValueMap): ServerRole {
  const read = v.safeParse(schema, model["x-app"]);
  if (read.success) return { ...read.output, port: read.output.port ?? portOnce(model) };
  const details = read.issues.map(
    (issue) => `compose/server.yaml: x-app.${v.getDotPath(issue) ?? ""}: ${issue.message}`,
  );
  throw new Problem("SOURCE_INVALID", "the server's role is not complete", { details });
}

/** Of a release whose server listened where PORT said, stored in its environment. */
function portOnce(model: ValueMap): number {
  const { service } = model["x-app"] as { service: string };
  const services = model["services"] as Record<string, { environment?: { PORT?: string } }>;
  return Number(services[service]?.environment?.PORT);
}
