import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseImage,
  type ImageQuestion,
  officialReference,
  repositoryOf,
} from "../../scripts/docker/recipes.ts";

const question: ImageQuestion = {
  role: "letta",
  mode: "auto",
  official: "letta/letta:1",
  local: "letta-stack/letta:1-abc",
  officialPresent: false,
  localPresent: false,
  registry: undefined,
  onlyLocal: false,
  isOwn: false,
};

const table: readonly [string, Partial<ImageQuestion>, string][] = [
  ["nothing here, no one asked", {}, "pull letta/letta:1: not here yet"],
  ["the official one here", { officialPresent: true }, "present letta/letta:1: already here"],
  [
    "both here",
    { officialPresent: true, localPresent: true },
    "present letta/letta:1: already here",
  ],
  ["one built here", { localPresent: true }, "present letta-stack/letta:1-abc: built here before"],
  ["no registry", { registry: false }, "build letta-stack/letta:1-abc: no image registry answers"],
  ["a registry", { registry: true }, "pull letta/letta:1: not here yet"],
  ["IMAGE_SOURCE=pull", { mode: "pull" }, "pull letta/letta:1: IMAGE_SOURCE=pull"],
  [
    "IMAGE_SOURCE=pull, one built here",
    { mode: "pull", localPresent: true },
    "pull letta/letta:1: IMAGE_SOURCE=pull",
  ],
  [
    "IMAGE_SOURCE=pull, no registry",
    { mode: "pull", registry: false },
    "pull letta/letta:1: IMAGE_SOURCE=pull",
  ],
  [
    "IMAGE_SOURCE=local, the official one here",
    { mode: "local", officialPresent: true },
    "build letta-stack/letta:1-abc: IMAGE_SOURCE=local",
  ],
  [
    "an image of one's own, a plain one built here, no registry",
    { isOwn: true, localPresent: true, registry: false },
    "pull letta/letta:1: not here yet",
  ],
  [
    "a target that is only built here",
    { onlyLocal: true, officialPresent: true },
    "build letta-stack/letta:1-abc: no official image of this target",
  ],
];

for (const [given, changed, expected] of table) {
  test(`${given} → ${expected}`, () => {
    const { source, reference, cause } = chooseImage({ ...question, ...changed });
    assert.equal(`${source} ${reference}: ${cause}`, expected);
  });
}

test("a version becomes the tag only where the image does not say which one it is", () => {
  assert.equal(officialReference("letta/letta", "0.16.8"), "letta/letta:0.16.8");
  assert.equal(officialReference("host:5000/letta", "0.16.8"), "host:5000/letta:0.16.8");
  assert.equal(officialReference("letta/letta:1", "0.16.8"), "letta/letta:1");
  assert.equal(officialReference("letta/letta@sha256:00", "0.16.8"), "letta/letta@sha256:00");
  assert.equal(officialReference("busybox:1.37.0", undefined), "busybox:1.37.0");
});

test("one repository has several names on Docker Hub", () => {
  for (const [reference, repository] of [
    ["busybox:1.37.0-musl", "busybox"],
    ["docker.io/library/busybox@sha256:00", "busybox"],
    ["docker.io/letta/letta:0.16.8", "letta/letta"],
    ["letta/letta", "letta/letta"],
    ["127.0.0.1:5055/letta:0.16.8", "127.0.0.1:5055/letta"],
    ["ghcr.io/letta/letta", "ghcr.io/letta/letta"],
  ] as const) {
    assert.equal(repositoryOf(reference), repository);
  }
});
