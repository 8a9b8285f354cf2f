import type { Engine } from "../engine/engine.ts";
import type { Narration } from "./narration.ts";

/** Everything a rollout touches the world with. */
export interface Tools {
  readonly engine: Engine;
  readonly say: Narration;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly randomBytes: (count: number) => Buffer;
  /** Aborted by Ctrl-C: asked at every point where stopping leaves nothing half done. */
  readonly signal: AbortSignal;
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
}
