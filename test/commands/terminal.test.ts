import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const createTerminal = join(import.meta.dirname, "..", "..", "scripts", "commands", "terminal.ts");
const plain = join(import.meta.dirname, "..", "..", "scripts", "common", "redaction.ts");

interface Manner {
  readonly yes?: boolean;
  /** Whether no one reads what is reported. */
  readonly closes?: boolean;
  readonly environment?: Record<string, string>;
}

/** Runs a program that has a Terminal called `terminal`. */
function program(code: string, { yes = true, closes = false, environment = {} }: Manner = {}) {
  const head = `import { plainText } from ${JSON.stringify(plain)};
    import { createTerminal } from ${JSON.stringify(createTerminal)};
    import { setTimeout as sleep } from "node:timers/promises";
    const terminal = createTerminal({ yes: ${yes}, quiet: false, hides: () => undefined,
      clean: (text) => plainText(text.replaceAll("s3cr3t", "••••••")) });\n`;
  const args = ["--input-type=module-typescript", "-e", head + code];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  if (closes) child.stderr.destroy();
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once("close", (ended) => resolve({ code: ended, stdout, stderr }));
  });
}

test("a Ctrl-C that reaches us twice, as through npm, counts once; a later one ends at once", async () => {
  const { code, stdout } = await program(`
    process.kill(process.pid, "SIGINT");
    await sleep(50);
    process.kill(process.pid, "SIGINT");
    await sleep(600);
    process.stdout.write(\`still there, aborted: \${terminal.signal.aborted}\`);
    process.kill(process.pid, "SIGINT");
    await sleep(60_000);`);
  assert.equal(stdout, "still there, aborted: true");
  assert.equal(code, 130);
});

test("where no one reads what is reported the work goes on to its end", async () => {
  const { code, stdout } = await program(
    `for (const name of ["one", "two", "three"]) await terminal.step(name, () => sleep(20));
    process.stdout.write("done");`,
    { closes: true },
  );
  assert.equal(stdout, "done");
  assert.equal(code, 0);
});

test("without a terminal only our own --yes is an answer; npm's own is reported as not counting", async () => {
  const asking = `await terminal.confirm("Remove it?", ["one volume"]).then(
    () => process.stdout.write("removed"),
    ({ code, details }) => process.stdout.write([code, ...details].join("; ")),
  );`;
  const environment = { npm_config_yes: "true" };
  const { stdout } = await program(asking, { yes: false, environment });
  assert.match(stdout, /^CONFIRMATION_NEEDED; one volume; npm's own yes .* -- --yes$/);
  assert.equal((await program(asking, { environment })).stdout, "removed");
});

test("nothing that is reported shows a secret or steers a terminal", async () => {
  const { stderr } = await program(`
    const text = "s3cr3t\\u001b]52;c;cHduZWQ=\\u0007";
    terminal.note(text);
    await terminal.step("name " + text, async () => text, (result) => result);
    await terminal.confirm("question", [text]);`);
  assert.equal(stderr.match(/••••••/g)?.length, 4, stderr);
  assert.ok(!/s3cr3t|[^\P{Cc}\n]/u.test(stderr), stderr);
});
