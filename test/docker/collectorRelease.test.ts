import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import {
  binaryPlatform,
  collectorPlatform,
  collectorRelease,
  listedChecksum,
} from "../../scripts/docker/collectorBinary.ts";

test("macOS and Linux on amd64 and arm64 have a release, and nothing else has", () => {
  const names = (system: string, machine: string) =>
    Object.values(collectorPlatform(system, machine));
  assert.deepEqual(names("linux", "x64"), ["linux", "amd64"]);
  assert.deepEqual(names("darwin", "arm64"), ["darwin", "arm64"]);
  for (const [system, machine] of [
    ["linux", "ia32"],
    ["freebsd", "x64"],
  ] as const) {
    assert.throws(() => collectorPlatform(system, machine), { code: "HOST_UNSUPPORTED", exit: 3 });
  }
});

test("on Windows the alternatives are listed", () => {
  assert.throws(
    () => collectorPlatform("win32", "x64"),
    (error: Problem) => {
      assert.match(error.message, /got Windows$/);
      assert.match(error.details.join(), /WSL 2.*Docker/);
      return error.code === "HOST_UNSUPPORTED";
    },
  );
});

test("a release's addresses are those of the project's own releases", () => {
  const base = "https://example.org/download/";
  const found = collectorRelease(base, "0.96.0", { os: "darwin", arch: "arm64" });
  assert.equal(found.archive, "otelcol-contrib_0.96.0_darwin_arm64.tar.gz");
  assert.equal(found.url, `https://example.org/download/v0.96.0/${found.archive}`);
  assert.equal(
    found.checksums[0],
    "https://example.org/download/v0.96.0/opentelemetry-collector-releases_otelcol-contrib_checksums.txt",
  );
});

const digest = "ab".repeat(32);

test("a checksum is that of the file's whole name and of no other", () => {
  const list = `${"0".repeat(64)}  a.tar.gz.sbom\n${digest.toUpperCase()} *a.tar.gz\r\n`;
  assert.equal(listedChecksum(list, "a.tar.gz"), digest);
  assert.equal(listedChecksum(list, "tar.gz"), undefined);
  assert.equal(listedChecksum(`${digest.slice(1)}  a.tar.gz\n`, "a.tar.gz"), undefined);
});

test("a file that a list has twice has no checksum", () => {
  assert.equal(listedChecksum(`${digest}  a\n${digest}  a\n`, "a"), undefined);
});

/** The first bytes of a program. */
function header(
  magic: number,
  ...writes: readonly (readonly [at: number, bits: 8 | 16 | 32, value: number])[]
) {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32BE(magic, 0);
  for (const [at, bits, value] of writes) bytes.writeUIntLE(value, at, bits / 8);
  return bytes;
}

const elf = (machine: number, kind = 2, bits = 2) =>
  header(0x7f454c46, [4, 8, bits], [5, 8, 1], [16, 16, kind], [18, 16, machine]);

const headers: readonly [string, Buffer, string][] = [
  ["a Linux program for amd64", elf(0x3e), "linux amd64"],
  ["one that can be loaded anywhere", elf(0xb7, 3), "linux arm64"],
  ["one of 32 bits", elf(0x3e, 2, 1), "an ELF file for another machine"],
  ["one for RISC-V", elf(0xf3), "an ELF file for another machine"],
  ["an object file", elf(0x3e, 1), "an ELF file for another machine"],
  ["a macOS program for arm64", header(0xcffaedfe, [4, 32, 0x0100000c]), "darwin arm64"],
  ["a macOS program for amd64", header(0xcffaedfe, [4, 32, 0x01000007]), "darwin amd64"],
  ["a Windows program", header(0x4d5a9000), "no program"],
  ["a script", Buffer.from("#!/bin/sh\necho hello, world\n"), "a script"],
  ["an empty file", Buffer.alloc(0), "a file of 0 bytes"],
];

for (const [given, bytes, expected] of headers) {
  test(`${given} is ${expected}`, () => assert.equal(binaryPlatform(bytes), expected));
}

test("this very Node is a program for this machine", async () => {
  const { open } = await import("node:fs/promises");
  await using file = await open(process.execPath);
  const { buffer } = await file.read(Buffer.alloc(20), 0, 20, 0);
  const { os, arch } = collectorPlatform(process.platform, process.arch);
  assert.equal(binaryPlatform(buffer), `${os} ${arch}`);
});
