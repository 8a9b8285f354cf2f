import type { ObservedContainer } from "../docker/engine.ts";
import type { StackService } from "../stack/readServices.ts";
import { labels, type Stack } from "../stack/renderStack.ts";

export type Action = "create" | "recreate" | "start" | "remove" | "none";

export interface Change {
  readonly service: string;
  readonly action: Action;
  readonly causes: readonly string[];
}

/**
 * The migration step: `due` has to run now, whatever its container came to before, as that may
 * have been on another database; `done` has to have run; `idle` is left alone where the schema is
 * right without it.
 */
export type Migration = "due" | "done" | "idle";

const missing = "there is no container";
/** The cause of a removal where the release before had the service. */
export const noLongerPart = "no longer part of the stack";

/** Compose's own leftover of a recreation that was cut off between create and rename. */
const leftover = /^[0-9a-f]{12}_/;

/**
 * What has to be done so that the engine has what the stack says, and why: pure, from what
 * was observed. A part that is as it should be is left alone.
 * @param imageIds the id of each reference's image on the engine
 */
export function planChanges(
  stack: Stack,
  observed: readonly ObservedContainer[],
  imageIds: ReadonlyMap<string, string>,
  migration: Migration = "done",
): Change[] {
  const changes = stack.services.map((service): Change => {
    const container = observed.find(
      (one) => one.service === service.name && !leftover.test(one.name),
    );
    const change = planService(service, container, imageIds.get(service.image));
    return service.name === stack.server.migrate ? planMigration(change, migration) : change;
  });
  const isJob = (name: string) => stack.services.some((o) => o.name === name && o.kind === "job");
  const isPruned = ({ service, causes }: Change) =>
    isJob(service) &&
    causes[0] === missing &&
    !(migration === "due" && service === stack.server.migrate);
  const removals = observed.flatMap(({ name, service }): Change[] => {
    if (leftover.test(name))
      return [{ service: name, action: "remove", causes: ["left over by Compose"] }];
    if (stack.services.some((one) => one.name === service)) return [];
    return [{ service, action: "remove", causes: [noLongerPart] }];
  });
  // `docker container prune` removes jobs that have ended; the services that run did not start without them.
  const runs = [...changes.filter((one) => !isJob(one.service)), ...removals];
  const isAsItWas = runs.every((one) => one.action === "none");
  return [
    ...changes.map((one): Change =>
      isAsItWas && isPruned(one) ? { ...one, action: "none", causes: [] } : one,
    ),
    ...removals,
  ];
}

function planMigration(change: Change, migration: Migration): Change {
  if (migration === "idle" && change.action === "start") {
    return { ...change, action: "none", causes: [] };
  }
  if (migration === "due" && change.action === "none") {
    return { ...change, action: "start", causes: ["this database is not migrated yet"] };
  }
  return change;
}

/**
 * A part with data that was adopted from another installation: the digest of its secrets is under that
 * one's key and says nothing here. Its password is tried by itself.
 */
function isOfOther({ labels: carried }: ObservedContainer, service: StackService): boolean {
  const maker = carried[labels.installation];
  return service.stateful && maker !== undefined && maker !== service.labels[labels.installation];
}

function planService(
  service: StackService,
  container: ObservedContainer | undefined,
  imageId: string | undefined,
): Change {
  const change = (action: Action, ...causes: string[]) => ({
    service: service.name,
    action,
    causes,
  });
  if (container === undefined) return change("create", missing);
  const causes: string[] = [];
  if (container.labels[labels.digest] !== service.labels[labels.digest])
    causes.push("configuration changed");
  const secrets = service.labels[labels.secrets];
  if (
    secrets !== undefined &&
    container.labels[labels.secrets] !== secrets &&
    !isOfOther(container, service)
  )
    causes.push("a secret changed");
  if (imageId !== undefined && container.imageId !== imageId) causes.push("image changed");
  if (causes.length > 0) return change("recreate", ...causes);
  if (service.kind === "job") {
    if (container.state === "exited" && container.exitCode === 0) return change("none");
    if (container.state === "running") return change("start", "still running");
    return change(
      "start",
      container.state === "created" ? "has not run" : `ended with ${container.exitCode}`,
    );
  }
  if (container.state !== "running") {
    const code = container.exitCode === undefined ? "" : ` (${container.exitCode})`;
    return change("start", `${container.state}${code}`);
  }
  if (container.health === "unhealthy") return change("start", "unhealthy");
  if (container.health === "starting") return change("start", "not healthy yet");
  return change("none");
}
