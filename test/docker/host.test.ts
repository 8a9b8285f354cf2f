import assert from "node:assert/strict";
import test from "node:test";
import {
  type Host,
  planEngineInstall,
  planEngineStart,
  planMmdebstrap,
} from "../../scripts/docker/host.ts";

const bookworm: Host = {
  system: "debian",
  codename: "bookworm",
  systemd: false,
  root: true,
  mirror: "http://mirror.example/debian",
  keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
};
const scripts = (host: Host) => planEngineInstall(host).map((change) => change.script);

test("Debian bookworm gets two later suites from the mirror it already has, pinned below its own", () => {
  const [sources = "", install = ""] = scripts(bookworm);
  assert.match(sources, /URIs: http:\/\/mirror\.example\/debian\nSuites: trixie sid/);
  assert.match(sources, /n=trixie\\nPin-Priority: 50.*n=sid\\nPin-Priority: 40/);
  assert.match(install, /docker\.io\/trixie .*docker-compose\/sid docker-buildx\/sid/);
});

test("later Debian and Ubuntu get their own packages and no further source", () => {
  for (const host of [
    { ...bookworm, codename: "trixie" },
    { ...bookworm, system: "ubuntu", codename: "noble" },
  ]) {
    const [install = "", ...others] = scripts(host);
    assert.deepEqual(others, []);
    assert.match(install, /docker\.io/);
    assert.doesNotMatch(install, /\/sid/);
  }
});

test("a system that is neither gets a clear word on what to install", () => {
  assert.throws(() => planEngineInstall({ ...bookworm, system: "fedora" }), {
    code: "HOST_UNSUPPORTED",
    exit: 3,
  });
  assert.throws(() => planMmdebstrap({ ...bookworm, system: "darwin" }), {
    code: "HOST_UNSUPPORTED",
  });
});

test("someone who is not root is asked to be", () => {
  assert.throws(() => planEngineInstall({ ...bookworm, root: false }), {
    code: "HOST_UNSUPPORTED",
    next: /sudo/,
  });
});

test("the engine is started by systemd where that runs, and by itself elsewhere", () => {
  assert.match(
    planEngineStart({ ...bookworm, systemd: true }).script,
    /^systemctl enable --now docker$/,
  );
  assert.match(planEngineStart(bookworm).script, /dockerd/);
});
