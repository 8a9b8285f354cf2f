import { Problem } from "../common/problem.ts";

/** What a released binary of the collector runs on, in the words of its releases. */
export interface Platform {
  readonly os: "linux" | "darwin";
  readonly arch: "amd64" | "arm64";
}

const systems: Readonly<Record<string, Platform["os"]>> = { linux: "linux", darwin: "darwin" };
const machines: Readonly<Record<string, Platform["arch"]>> = { x64: "amd64", arm64: "arm64" };

/**
 * This machine as the collector's releases call it.
 * @param system and machine as in process.platform and process.arch
 * @throws Problem HOST_UNSUPPORTED, for Windows with the ways there are
 */
export function collectorPlatform(system: string, machine: string): Platform {
  const [os, arch] = [systems[system], machines[machine]];
  if (os !== undefined && arch !== undefined) return { os, arch };
  const expected = "expected Linux or macOS on amd64 or arm64 for a collector without Docker";
  if (system === "win32") {
    throw new Problem("HOST_UNSUPPORTED", `${expected}, got Windows`, {
      details: ["WSL 2 is Linux: the same command works there", "Docker runs it in a container"],
      next: "npm run up:dev   (with Docker), or wsl --install",
    });
  }
  throw new Problem("HOST_UNSUPPORTED", `${expected}, got ${system} on ${machine}`, {
    next: "npm run up:dev   (with Docker)",
  });
}
