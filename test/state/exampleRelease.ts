import type { Release } from "../../scripts/state/release.ts";

/** A release's manifest as it is given to be retained, with what a test wants otherwise. */
export function exampleRelease(
  id: string,
  otherwise: Partial<Release> = {},
): Omit<Release, "format"> {
  return {
    project: "letta-stack-dev",
    environment: "dev",
    id,
    tag: "0.16.8",
    created: "2026-01-02T03:04:05.000Z",
    outcome: "begun",
    kind: "deploy",
    from: null,
    restores: id,
    by: "ann@box",
    reason: null,
    seconds: null,
    databaseStrategy: null,
    services: {
      server: {
        image: "letta/letta:0.16.8",
        imageId: "sha256:1",
        digest: "d",
        release: id,
        repoDigest: null,
        made: "m",
      },
    },
    revision: [],
    heads: ["1c28e167b74f"],
    secrets: { LETTA_PG_PASSWORD: "k" },
    backup: null,
    verifications: [
      {
        image: "sha256:0",
        revision: ["1c28e167b74f"],
        databaseStrategy: "keep",
        passed: true,
        detail: "served",
        at: "2026-01-02T03:04:05.000Z",
        seconds: 3.5,
      },
    ],
    rehearsal: { migrate: [1, null, "a"] },
    titles: { "1c28e167b74f": "add a column" },
    ...otherwise,
  };
}
