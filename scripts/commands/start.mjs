// Loaded before every entry (`node --import`). Plain JavaScript, because its first
// task is to tell an old Node from a new one: only Node 22.18 and later runs
// TypeScript as it stands. npm puts the Node pinned in package.json first on the PATH.
import module from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `expected Node 22.18 or later, got ${process.versions.node} (${process.execPath})\n` +
      "  next: npm ci   (brings Node 26 along on Linux and on Intel Macs; elsewhere install it)\n",
  );
  process.exit(3);
}
module.enableCompileCache?.();
