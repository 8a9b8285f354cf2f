import * as v from "valibot";
import { Problem } from "../common/problem.ts";
import type { ValueMap } from "./mergeSources.ts";

const schema = v.object({
  service: v.string(),
  migrate: v.string(),
  versionPath: v.string(),
  versionField: v.string(),
  readPath: v.string(),
  revisionQuery: v.string(),
});

/** What the tool knows of the server it runs, from `x-server` in compose/server.yaml. */
export type ServerRole = v.InferOutput<typeof schema>;

/** @throws Problem SOURCE_INVALID where x-server lacks something */
export function readServerRole(model: ValueMap): ServerRole {
  const read = v.safeParse(schema, model["x-server"]);
  if (read.success) return read.output;
  const details = read.issues.map(
    (issue) => `compose/server.yaml: x-server.${v.getDotPath(issue) ?? ""}: ${issue.message}`,
  );
  throw new Problem("SOURCE_INVALID", "the server's role is not complete", { details });
}
