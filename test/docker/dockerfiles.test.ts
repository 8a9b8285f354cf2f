import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

interface RehearsalEnvironment {
  readonly name: string;
  readonly from: string;
  /** With their continuation lines joined. */
  readonly steps: readonly string[];
}

interface Recipe {
  readonly path: string;
  readonly text: string;
  /** Before the first FROM. */
  readonly head: readonly string[];
  readonly stages: readonly RehearsalEnvironment[];
}

const root = join(import.meta.dirname, "..", "..");
const recipes = globSync("docker/*/Dockerfile", { cwd: root }).sort().map(read);

function read(path: string): Recipe {
  const text = readFileSync(join(root, path), "utf8");
  const steps = text
    .replace(/^\s*#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n")
    .map((line) => line.trim().replace(/\s+/g, " "))
    .filter((line) => line !== "");
  const starts = steps.flatMap((step, at) => (step.startsWith("FROM ") ? [at] : []));
  const stages = starts.map((start, nth) => {
    const [, from = "", , name = ""] = steps[start]!.split(" ");
    return { name, from, steps: steps.slice(start + 1, starts[nth + 1]) };
  });
  return { path, text, head: steps.slice(0, starts[0]), stages };
}

/** The stages whose layers an image keeps: those that nothing copies from, and what they stand on. */
function retained({ stages, text }: Recipe): RehearsalEnvironment[] {
  const ends = stages.filter(({ name }) => name === "" || !text.includes(`--from=${name} `));
  const withBase = (stage: RehearsalEnvironment): RehearsalEnvironment[] => {
    const below = stages.find(({ name }) => name !== "" && name === stage.from);
    return below === undefined ? [stage] : [stage, ...withBase(below)];
  };
  return ends.flatMap(withBase);
}

/** One line for each step that is at fault, so that a failure names the culprit. */
function culprits(
  found: (step: string) => boolean,
  stagesOf: (recipe: Recipe) => readonly RehearsalEnvironment[] = ({ stages }) => stages,
): string[] {
  return recipes.flatMap((recipe) =>
    stagesOf(recipe).flatMap(({ steps }) =>
      steps.filter(found).map((step) => `${recipe.path}: ${step}`),
    ),
  );
}

/** The clients that speak to a package registry over TLS; apt needs nothing of the host. */
const fetches = (step: string) =>
  /\b(pip3? (install|download)|uv (sync|pip)|go (build|get|install|mod))\b/.test(step);

const runs = (step: string) => step.startsWith("RUN ");
const installs = (step: string) => step.includes("apt-get install");

/** Where a secret may be named: asked for, sourced, or pointed at for the length of one step. */
const namedOnly =
  /\[ -s \/run\/secrets\/\w+ \]|\. \/run\/secrets\/host;|export [A-Z_]+=\/run\/secrets\/ca;/g;

test("there are recipes, and each was read to its end", () => {
  assert.ok(recipes.length >= 6, `${recipes.length} found`);
  const endless = recipes.filter((recipe) => retained(recipe).length === 0);
  assert.deepEqual(endless, []);
});

test("every image stands on the base that it is given, on nothing, or on a rehearsal environment before", () => {
  for (const { path, head, stages } of recipes) {
    assert.deepEqual(head, ["ARG BASE"], path);
    for (const [at, { from }] of stages.entries()) {
      const before = stages.slice(0, at).map(({ name }) => name);
      assert.ok(["${BASE}", "scratch", ...before].includes(from), `${path}: FROM ${from}`);
    }
  }
});

test("nothing is taken at the latest version", () => {
  const unpinned = recipes.filter(({ text }) => /:latest\b|@latest\b/.test(text));
  assert.deepEqual(
    unpinned.map(({ path }) => path),
    [],
  );
  const packages = (step: string) =>
    /\bpip (?:install|download) ([^&|;]*)/.exec(step)?.[1]?.split(" ") ?? [];
  // A file of requirements names hashes, and with them versions.
  assert.deepEqual(
    culprits((step) => packages(step).includes("-r") && !step.includes("--require-hashes")),
    [],
  );
  const named = (step: string) =>
    packages(step).filter((word, at, all) => isPackage(word, all[at - 1]));
  assert.deepEqual(
    culprits((step) => named(step).some((word) => !word.includes("=="))),
    [],
  );
});

/** Not an option of pip, and not the value of one. */
function isPackage(word: string, before: string | undefined): boolean {
  return (
    word !== "" && !word.startsWith("-") && !/^(--(target|dest|no-binary)|-r)$/.test(before ?? "")
  );
}

test("what fetches packages is given the host's certificates and settings", () => {
  assert.ok(culprits(fetches).length >= 4, "the rule finds the steps it is about");
  const requested = [
    "--mount=type=secret,id=ca ",
    "--mount=type=secret,id=host ",
    ". /run/secrets/host;",
    "=/run/secrets/ca;",
  ];
  assert.deepEqual(
    culprits((step) => fetches(step) && !requested.every((part) => step.includes(part))),
    [],
  );
});

test("no secret of the host can stay in a layer or in the image's history", () => {
  assert.deepEqual(
    culprits((step) => step.replace(namedOnly, "").includes("/run/secrets")),
    [],
    "a secret is read for anything but the step's own use",
  );
  assert.deepEqual(
    culprits((step) => !runs(step) && /secrets/.test(step)),
    [],
    "a secret outside a RUN",
  );
  assert.deepEqual(
    culprits((step) => /^(ARG|ENV) .*(TOKEN|PASSWORD|SECRET|INDEX_URL|GOPROXY|_CERT)/.test(step)),
    [],
    "an ARG or ENV is retained in the history",
  );
  assert.deepEqual(
    culprits((step) => /\bpip config\b|\bgo env -w\b|update-ca-certificates|\.netrc/.test(step)),
    [],
    "a client is configured for good",
  );
});

test("the certificates that an image carries are Debian's", () => {
  const copied = culprits((step) => /^COPY .*(certs|\.pem|\.crt)/.test(step));
  const debians = /COPY --from=\w+ \/etc\/ssl\/certs\/ca-certificates\.crt /;
  assert.deepEqual(
    copied.filter((line) => !debians.test(line)),
    [],
  );
  assert.deepEqual(
    culprits((step) => runs(step) && /\/etc\/ssl|\/usr\/local\/share\/ca-/.test(step)),
    [],
  );
});

test("apt installs only what is asked for, after reading the lists in the same step", () => {
  assert.deepEqual(
    culprits(
      (step) =>
        installs(step) &&
        !(step.includes("apt-get update &&") && step.includes("--no-install-recommends")),
    ),
    [],
  );
});

test("a retained stage cleans up in the step that made the mess, and has no tools for building", () => {
  assert.deepEqual(
    culprits((step) => installs(step) && !step.includes("rm -rf /var/lib/apt/lists/*"), retained),
    [],
  );
  assert.deepEqual(
    culprits((step) => fetches(step) || /\b(gcc|golang-go|python3-pip)\b/.test(step), retained),
    [],
  );
});

test("a step that downloads into a folder of its own keeps no cache alongside it", () => {
  const cached = (step: string) => /--no-cache-dir|--mount=type=cache/.test(step);
  assert.deepEqual(
    culprits((step) => fetches(step) && !cached(step)),
    [],
  );
});

test("the proxy, which the Internet reaches, is installed by the hashes of its wheels", () => {
  const proxy = recipes.find(({ path }) => path === "docker/proxy/Dockerfile")!;
  const steps = proxy.stages.flatMap((stage) => stage.steps);
  const installs = steps.filter((step) => step.includes("pip install"));
  assert.equal(installs.length, 1);
  assert.match(installs[0]!, /--require-hashes/u);
  assert.ok(steps.some((step) => (step.match(/--hash=sha256:[0-9a-f]{64}/gu) ?? []).length === 2));
});
