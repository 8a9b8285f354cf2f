import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface BreakingDisk {
  /** A shell command: from then on whatever is read or written there fails with EIO. */
  readonly breaking: string;
  /** As after a repair: what had reached the disk is there again. */
  quarantine(): Promise<void>;
}

/** EXT4_IOC_SHUTDOWN without writing the journal out: what was not synced is gone, too. */
const shutdown =
  'open my $f, "<", $ARGV[0]; my $all = pack "L", 2; ioctl $f, 0x8004587d, $all or die $!';

/**
 * Puts a small file system into a folder's place that can break at a point in time, as a disk
 * does; `umount` ends it. Takes root.
 */
export function breakingDisk(folder: string): BreakingDisk {
  const image = `${folder}.disk`;
  // Space is taken when something is written, so that a full disk is full.
  const mount = () => must("mount", "-o", "loop,nodelalloc", image, folder);
  mkdirSync(folder);
  must("truncate", "-s", "32M", image);
  must("mkfs.ext4", "-q", "-m", "0", image);
  mount();
  chmodSync(folder, 0o700);
  return {
    breaking: `perl -e '${shutdown}' '${folder}'`,
    async quarantine() {
      must("umount", folder);
      // A container that is just being made has a copy of all mounts for a moment. While that is
      // there, so is the broken file system, and mounting would bring that one back.
      for (const from = Date.now(); must("losetup", "-j", image) !== ""; await sleep(20)) {
        if (Date.now() - from > 30_000) throw new Error(`${image}: someone still has it mounted`);
      }
      mount();
    },
  };
}

function must(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}
