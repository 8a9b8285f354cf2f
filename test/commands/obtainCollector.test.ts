import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import type { Writable } from "node:stream";
import { Problem } from "../../scripts/common/problem.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import { collectorPlatform } from "../../scripts/docker/collectorBinary.ts";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import { installedCollector } from "../../scripts/state/installedCollector.ts";
import { obtainCollector } from "../../scripts/commands/localCollector/obtainCollector.ts";
import type { Context } from "../../scripts/state/context.ts";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import { fakeProgram, type Machine } from "../fakes/release/fakeProgram.ts";
import { releaseAddress } from "../fakes/release/releaseAddress.ts";
import { gzipped, tarball, type Entry } from "../fakes/release/tarball.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

const version = "0.96.0";
const root = join(import.meta.dirname, "..", "..");
const platform = { ...collectorPlatform("linux", process.arch) };
const other: Machine = platform.arch === "amd64" ? "arm64" : "amd64";
const archiveName = `otelcol-contrib_${version}_linux_${platform.arch}.tar.gz`;
const listName = "opentelemetry-collector-releases_otelcol-contrib_checksums.txt";

const address = await releaseAddress();
const base = mkdtempSync(join(tmpdir(), "obtain collector "));
let home = base;
let mark = "";
after(() => {
  address.close();
  rmSync(base, { recursive: true });
});
beforeEach(() => {
  home = mkdtempSync(join(base, "home-"));
  mkdirSync(join(home, "bin"));
  mark = join(home, "was-executed");
});

const says = (reported: string) => `otelcol-contrib version ${reported}`;
const program = (reported = version, machine: Machine = platform.arch) =>
  fakeProgram(says(reported), mark, machine);
const readme: Entry = { path: "README.md", content: Buffer.from("read me") };
const release = (content: Buffer) => gzipped([readme, { path: "otelcol-contrib", content }]);
const listOf = (archive: Buffer, name = archiveName) =>
  Buffer.from(
    `${"0".repeat(64)}  another.tar.gz\n${createHash("sha256").update(archive).digest("hex")}  ${name}\n`,
  );

function settings(more: Readonly<Record<string, string>> = {}) {
  return readSettings({
    environment: "dev",
    root,
    mayMiss: true,
    processEnvironment: {
      OTEL_VERSION: version,
      OTEL_RELEASE_URL: address.url,
      STATE_DIR: home,
      ...more,
    },
  });
}

const local = () => {
  const set = settings();
  return contentTag(
    root,
    recipes("dev", set.lookup).find(({ role }) => role === "collector")!,
  );
};

/** Tools with an engine that does not answer, unless one is given. */
function context(engine: Partial<Engine> = {}, yes = true): Context & { readonly notes: string[] } {
  const notes: string[] = [];
  const ping = () => Promise.reject(new Error("connect ENOENT /var/run/docker.sock"));
  return {
    notes,
    engine: { ...simulatedEngine({ images: [local()] }), ping, ...engine },
    now: () => 0,
    randomBytes: (count) => Buffer.alloc(count, 7),
    signal: new AbortController().signal,
    processEnvironment: {},
    reporter: {
      steps: [],
      note: (text) => void notes.push(text),
      step: (_, work) => work(() => undefined),
      confirm: () =>
        yes ? Promise.resolve() : Promise.reject(new Problem("CONFIRMATION_NEEDED", "asked")),
    },
  };
}

const bin = () => join(home, "bin");
const obtain = (with_: Context = context(), set = settings()) =>
  obtainCollector(set, platform, bin(), with_);

/** What is refused was never executed, and left nothing of itself. */
async function refused(message: RegExp, with_?: Context): Promise<void> {
  const before = readdirSync(bin());
  await assert.rejects(obtain(with_), (error: Problem) => {
    assert.equal(error.code, "IMAGE_UNAVAILABLE");
    assert.equal(error.exit, 3);
    assert.match(error.message, message);
    assert.ok(error.next);
    return true;
  });
  assert.equal(existsSync(mark), false, "it was executed");
  assert.deepEqual(readdirSync(bin()), before);
}

test("a release is installed, executable for its owner alone, and its version was asked", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  const made = await obtain();
  assert.equal(made.version, version);
  assert.equal(made.source, `${address.url}/v${version}/${archiveName}`);
  assert.equal(statSync(made.path).mode & 0o777, 0o700);
  assert.equal(existsSync(mark), true);
  assert.deepEqual(readdirSync(bin()).length, 2, "the program and its record");
});

test("what is installed is not downloaded again, and not executed to learn its version", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  const first = await obtain();
  rmSync(mark);
  const asked = address.asked.length;
  assert.deepEqual(await obtain(), first);
  assert.equal(address.asked.length, asked);
  assert.equal(existsSync(mark), false);
});

test("a program that was changed after it was installed is installed anew", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  const first = await obtain();
  const evil = join(home, "evil");
  writeFileSync(first.path, fakeProgram(says(version), evil, platform.arch));
  assert.equal(await installedCollector(bin(), version), undefined);
  assert.deepEqual(await obtain(), first);
  assert.equal(existsSync(evil), false, "the changed one was executed");
});

test("a version alongside another leaves the other as it is", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  const first = await obtain();
  const newer = "0.161.0";
  const newName = archiveName.replace(version, newer);
  const second = release(program(newer));
  address.answer({ [newName]: second, [listName]: listOf(second, newName) });
  await obtain(context(), settings({ OTEL_VERSION: newer }));
  assert.deepEqual(await installedCollector(bin(), version), first);
});

test("an older release's one list of checksums for all distributions serves as well", async () => {
  const archive = release(program());
  const list = "opentelemetry-collector-releases_checksums.txt";
  address.answer({ [archiveName]: archive, [list]: listOf(archive) });
  assert.equal((await obtain()).version, version);
});

test("an archive that was tampered with is neither opened nor executed", async () => {
  const archive = release(program());
  const changed = release(program(`${version}\n`));
  address.answer({ [archiveName]: changed, [listName]: listOf(archive) });
  await refused(/expected SHA-256 \w{64}, got \w{64}$/);
});

test("a truncated archive is not executed", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive.subarray(0, 200), [listName]: listOf(archive) });
  await refused(/expected SHA-256/);
});

test("a truncated archive whose checksum is right all the same is not executed", async () => {
  const archive = gzipped([{ path: "otelcol-contrib", content: program() }]);
  const cut = archive.subarray(0, archive.length - 30);
  address.answer({ [archiveName]: cut, [listName]: listOf(cut) });
  await refused(/the archive is not usable/);
});

test("a program for another machine is not executed", async () => {
  const archive = release(program(version, other));
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  await refused(new RegExp(`expected a program for linux ${platform.arch}, got linux ${other}`));
});

test("a script in place of the program is not executed", async () => {
  const archive = release(Buffer.from(`#!/bin/sh\ntouch '${mark}'\necho ${says(version)}\n`));
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  await refused(/got a script$/);
});

test("a web page in place of the archive is reported as one", async () => {
  const archive = release(program());
  const page = (type: string) => (reply: ServerResponse) =>
    void reply.writeHead(200, { "content-type": type }).end("\n<!DOCTYPE html><html>Log in</html>");
  for (const type of ["text/html; charset=utf-8", "application/octet-stream"]) {
    address.answer({ [archiveName]: page(type), [listName]: listOf(archive) });
    await refused(/expected a file, got a web page/);
    address.answer({ [archiveName]: archive, [listName]: page(type) });
    await refused(/expected a file, got a web page/);
  }
});

test("a download that is cut off is reported so", async () => {
  const archive = release(program());
  const cut = (reply: ServerResponse) => {
    reply.writeHead(200, { "content-length": archive.length });
    reply.write(archive.subarray(0, 100), () => reply.destroy());
  };
  address.answer({ [archiveName]: cut, [listName]: listOf(archive) });
  await refused(/cut off after \d+ bytes/);
});

test("a download that Ctrl-C interrupts leaves nothing, and the good program of before", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  const good = await obtain();
  const newer = "0.161.0";
  const newName = archiveName.replace(version, newer);
  const began = Promise.withResolvers<void>();
  const endless = (reply: ServerResponse) => {
    reply.writeHead(200, { "content-length": 1_000_000 }).write(archive);
    began.resolve();
  };
  address.answer({ [newName]: endless, [listName]: listOf(archive, newName) });
  const stop = new AbortController();
  const running = obtain({ ...context(), signal: stop.signal }, settings({ OTEL_VERSION: newer }));
  await began.promise;
  stop.abort();
  await assert.rejects(running, { name: "AbortError" });
  assert.equal(readdirSync(bin()).length, 2);
  assert.deepEqual(await installedCollector(bin(), version), good);
});

test("an archive that announces more than any release has is not taken", async () => {
  const archive = release(program());
  const huge = (reply: ServerResponse) =>
    void reply.writeHead(200, { "content-length": 600 * 1024 * 1024 }).write(archive);
  address.answer({ [archiveName]: huge, [listName]: listOf(archive) });
  await refused(/expected at most \d+ bytes, got more$/);
});

test("what a killed run left half done does not stand in the way", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  mkdirSync(join(bin(), "staging"));
  writeFileSync(join(bin(), "staging", "archive"), "half of it");
  await obtain();
  assert.equal(readdirSync(bin()).length, 2);
});

test("a list without the archive's checksum is refused before the archive is asked for", async () => {
  const archive = release(program());
  const asked = address.asked.length;
  address.answer({ [archiveName]: archive, [listName]: listOf(archive, "another.tar.gz") });
  await refused(/expected a checksum of otelcol-contrib/);
  assert.equal(address.asked.length, asked + 1);
});

test("a program that tells another version is not installed", async () => {
  const archive = release(program("0.95.0"));
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  await assert.rejects(obtain(), { message: /expected version 0\.96\.0, got 0\.95\.0$/ });
  assert.deepEqual(readdirSync(bin()), []);
});

for (const [what, entries] of [
  ["has no program", () => [readme]],
  ["has two", () => [0, 1].map(() => ({ path: "otelcol-contrib", content: program() }))],
  ["has a link", () => [{ path: "otelcol-contrib", type: "SymbolicLink", linkpath: "/bin/sh" }]],
  ["has it elsewhere", () => [{ path: "../otelcol-contrib", content: program() }]],
] as const satisfies readonly (readonly [string, () => Entry[]])[]) {
  test(`an archive that ${what} is refused`, async () => {
    const archive = gzipped(entries());
    address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
    await refused(/the archive is not usable/);
  });
}

test("names that lead out of the folder write nothing there", async () => {
  const outside = join(home, "outside");
  const archive = gzipped([
    { path: "../../outside", content: Buffer.from("x") },
    { path: outside, content: Buffer.from("x") },
    { path: "otelcol-contrib", content: program() },
  ]);
  address.answer({ [archiveName]: archive, [listName]: listOf(archive) });
  await obtain();
  assert.deepEqual(readdirSync(home).sort(), ["bin", "was-executed"]);
});

const imageContext = (yes = true) => {
  const copied: string[] = [];
  const copyOut = async (image: string, path: string, to: Writable) => {
    copied.push(`${image} ${path}`);
    to.end(tarball([{ path: "otelcol-contrib", content: program() }]));
    await once(to, "close");
  };
  return { copied, ...context({ ping: async () => undefined, copyOut }, yes) };
};

test("where the address is out of reach, the program comes out of the image built here", async () => {
  address.answer({ [listName]: 503 });
  const with_ = imageContext();
  const made = await obtain(with_);
  assert.equal(made.source, local());
  assert.deepEqual(with_.copied, [`${local()} /otelcol-contrib`]);
  assert.match(with_.notes.join(), /cannot be downloaded here \(.*503/);
  assert.deepEqual(await obtain(with_), made);
  assert.equal(with_.copied.length, 1);
});

test("an image with other parts than are needed now is not what is wanted", async () => {
  address.answer({});
  const with_ = imageContext();
  await obtain(with_);
  const key = settings({ DD_API_KEY: "key", OTEL_RELEASE_URL: "http://127.0.0.1:1" });
  const asked = { ...with_, ...imageContext(false) };
  await assert.rejects(obtain(asked, key), { code: "CONFIRMATION_NEEDED" });
});

test("an address that no one listens at, and no engine, is refused with the next command", async () => {
  await assert.rejects(obtain(context(), settings({ OTEL_RELEASE_URL: "http://127.0.0.1:1/x" })), {
    code: "IMAGE_UNAVAILABLE",
    exit: 3,
    message: "no release of the collector 0.96.0, and no engine with its image",
    details: ["connect ENOENT /var/run/docker.sock"],
  });
});

test("a bad download is refused and not replaced by an image without a word", async () => {
  const archive = release(program());
  address.answer({ [archiveName]: Buffer.from("x"), [listName]: listOf(archive) });
  const with_ = imageContext();
  await refused(/expected SHA-256/, with_);
  assert.deepEqual(with_.copied, []);
});

test("on macOS no Linux program is taken out of an image", async () => {
  const with_ = imageContext();
  address.answer({});
  const mac = { os: "darwin", arch: "arm64" } as const;
  await assert.rejects(obtainCollector(settings(), mac, bin(), with_), {
    code: "IMAGE_UNAVAILABLE",
  });
  assert.deepEqual(with_.copied, []);
});
