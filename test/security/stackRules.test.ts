import assert from "node:assert/strict";
import { test } from "node:test";
import { checkStackRules } from "../../scripts/stack/stackRules.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { exampleStack } from "../stack/exampleStack.ts";

const verified = "no-new-privileges:true";

/** What the running stack is asked for in test/real/security.test.ts, refused before it runs. */
const broken: readonly [description: string, spoilt: ValueMap, fault: string][] = [
  [
    "core dumps of any size",
    { ulimits: { core: -1 } },
    "services.server.ulimits: expected core: 0",
  ],
  [
    "no seccomp",
    { security_opt: [verified, "seccomp:unconfined"] },
    "services.server.security_opt: expected the engine's own seccomp, AppArmor and SELinux",
  ],
  [
    "no SELinux",
    { security_opt: [verified, "label:disable"] },
    "services.server.security_opt: expected the engine's own seccomp, AppArmor and SELinux",
  ],
  ["the host's name", { uts: "host" }, "services.server.isolation: expected no uts"],
  ["the host's control group", { cgroup: "host" }, "services.server.isolation: expected no cgroup"],
  [
    "containerd's socket",
    { volumes: ["/run/containerd/containerd.sock:/s"] },
    "services.server.volumes: expected no engine socket",
  ],
];

for (const [description, spoilt, fault] of broken) {
  test(`a server with ${description} breaks one rule`, () => {
    const stack = exampleStack("prod");
    const model = structuredClone(stack.model);
    Object.assign((model["services"] as Record<string, ValueMap>)["server"]!, spoilt);
    assert.deepEqual(checkStackRules({ ...stack, model }), [fault]);
  });
}
