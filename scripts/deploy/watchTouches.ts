import { foreseen } from "../common/foreseen.ts";
import { Problem } from "../common/problem.ts";
import type { Engine } from "../docker/engine.ts";

/** What a command has done to the containers of its stack. */
export interface Touches {
  /** The same engine, watched. */
  readonly engine: Engine;
  /** A verified release serves again: what was done before is done. */
  settled(what: string): void;
  /**
   * The same failure, with an exit code that is true of what was done before it: a run that touched
   * anything never ends with 2 or 3.
   */
  truthful(error: unknown): unknown;
}

/**
 * Watches the calls that change containers of a project: made, stopped or removed. Starting what
 * was stopped, and bringing the database up to be asked, takes nothing from anyone.
 */
export function watchTouches(engine: Engine, project: string): Touches {
  const own = new Map<string, string>();
  const touched: string[] = [];
  const settled: string[] = [];
  const noteContainer = (what: string, id: string) => {
    const service = own.get(id);
    if (service !== undefined) touched.push(`${what} ${service}`);
  };
  const noteServices = (what: string, of: string, services: readonly string[]) => {
    const changed = services.filter((one) => one !== "postgres");
    if (of === project && changed.length > 0) touched.push(`${what} ${changed.join(", ")}`);
  };
  return {
    engine: {
      ...engine,
      async containers(input) {
        const found = await engine.containers(input);
        if (input === project) for (const { id, service } of found) own.set(id, service);
        return found;
      },
      create(call, services) {
        noteServices("create", call.project, services);
        return engine.create(call, services);
      },
      scaleUp(call, service) {
        noteServices("create another", call.project, [service]);
        return engine.scaleUp(call, service);
      },
      down(of, volumes) {
        noteServices("remove", of, ["all containers"]);
        return engine.down(of, volumes);
      },
      stop(id, ...how) {
        noteContainer("stop", id);
        return engine.stop(id, ...how);
      },
      remove(id) {
        noteContainer("remove", id);
        return engine.remove(id);
      },
    },
    settled(what) {
      touched.length = 0;
      settled.push(what);
    },
    truthful(error) {
      const problem = foreseen(error);
      const isUntouched = touched.length === 0 && settled.length === 0;
      if (problem === undefined || problem.exit > 3 || isUntouched) return error;
      const { message, details, next } = problem;
      const done = [...settled, ...(touched.length > 0 ? [`done: ${touched.join(", ")}`] : [])];
      const code = touched.length === 0 ? "ROLLED_BACK" : "STEP_FAILED";
      // What was interrupted has changed something.
      const reported =
        problem.code === "INTERRUPTED" ? "interrupted before it did what was asked" : message;
      return new Problem(code, reported, {
        details: [...done, ...details],
        ...(next === undefined ? {} : { next }),
        cause: error,
      });
    },
  };
}
