import type { ObservedContainer } from "../../scripts/docker/engine.ts";

/** A container of prod that does what it is for, but for what is said otherwise. */
export function exampleContainer(
  service: string,
  over: Partial<ObservedContainer> = {},
): ObservedContainer {
  return {
    id: service,
    name: `letta-prod-${service}-1`,
    service,
    state: "running",
    health: "healthy",
    exitCode: undefined,
    image: "image",
    imageId: "sha256:image",
    labels: {},
    ...over,
  };
}
