import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { scramVerifier } from "../../scripts/database/scramVerifier.ts";
import type { CommandIo, Engine } from "../../scripts/docker/engine.ts";
import { changePassword } from "../../scripts/deploy/rotatePassword.ts";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import { pendingSecrets, withoutPending } from "../../scripts/settings/gatherLayers.ts";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import { project } from "../settings/project.ts";

const file = "env/prod.secrets.env";
const name = "LETTA_PG_PASSWORD";
const old = "kR7mQ2vX9bL4";

/** What the process ends with where it is killed in a test. */
class Killed extends Error {}

/** A Postgres with one role, as far as a rotation asks it, and a file alongside. */
function database(context: TestContext) {
  const { root, write } = project(context);
  write(
    file,
    `${name}=${old}\nLETTA_SERVER_PASSWORD=uT5pW8zE3cH1\nLETTA_ENCRYPTION_KEY=yN6dF1sJ4gA7\n`,
  );
  const state = {
    password: old,
    file: old,
    refuses: false,
    trusts: false,
    statements: "",
    calls: 0,
  };
  /** Killed before and after the n-th call. */
  let kill = { at: 0, when: "" };
  const text = () => readFileSync(join(root, file), "utf8");
  const takes = (verifier: string) => {
    // As Postgres does: the verifier tells which password it is of.
    const salt = Buffer.from(/4096:([^$]+)\$/u.exec(verifier)![1]!, "base64");
    const known = [...pendingSecrets(text()).values()];
    state.password = known.find((one) => scramVerifier(one, salt) === verifier) ?? "unknown";
  };
  const answer = (argv: readonly string[], { environment = {}, stdin = "" }: CommandIo) => {
    const failed = { code: 2, stdout: "", stderr: "psql: error: no" };
    const done = { code: 0, stdout: "", stderr: "" };
    if (argv.at(-1)?.includes("cat >")) {
      state.file = String(stdin);
      return done;
    }
    if (argv.at(-1)?.includes("$(hostname)")) {
      return state.trusts || environment["PGPASSWORD"] === state.password ? done : failed;
    }
    if (String(stdin).includes("rolsuper")) return { ...done, stdout: "t\u001ff\n" };
    state.statements += String(stdin);
    if (state.refuses) return failed;
    takes(/'(SCRAM[^']+)'/u.exec(String(stdin))![1]!);
    return done;
  };
  const exec = (_: string, argv: readonly string[], io: CommandIo = {}) => {
    state.calls += 1;
    const isNow = (when: string) => kill.at === state.calls && kill.when === when;
    if (isNow("before")) return Promise.reject(new Killed());
    const answered = answer(argv, io);
    return isNow("after") ? Promise.reject(new Killed()) : Promise.resolve(answered);
  };
  const place = { environment: "prod", root, processEnvironment: {} } as const;
  const commandContext = {
    engine: { exec } as unknown as Engine,
    now: () => Date.parse("2026-11-21T12:00:00Z"),
    randomBytes,
  };
  return {
    state,
    text,
    value: () => parseEnvFile(text(), "").assignments.find((one) => one.name === name)!.value,
    pending: () => [...pendingSecrets(text()).values()],
    run(at = 0, when = "") {
      kill = { at, when };
      state.calls = 0;
      const secrets = { file, text: withoutPending(text()) };
      return changePassword(
        readSettings({ ...place, secrets }),
        "container",
        place,
        commandContext,
      );
    },
  };
}

test("the file, the database and its health check know the new password, and no statement holds it", async (context) => {
  const { state, text, value, pending, run } = database(context);
  await run();
  assert.notEqual(value(), old);
  assert.equal(state.password, value());
  assert.equal(state.file, value());
  assert.deepEqual(pending(), []);
  assert.match(text(), /^# set 2026-11-21 \(check \w{8}\)\nLETTA_PG_PASSWORD=/u);
  assert.match(state.statements, /^ALTER ROLE "letta" PASSWORD 'SCRAM-SHA-256\$4096:/u);
  assert.ok(!state.statements.includes(value()));
});

test("killed before or after any call, a known password opens it, and the next run ends it", async (context) => {
  let kills = 0;
  for (const when of ["before", "after"]) {
    for (let at = 1; at < 20; at++) {
      const { state, value, pending, run } = database(context);
      const ended = await run(at, when).then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof Killed, String(error));
          return false;
        },
      );
      const known = [value(), ...pending()];
      assert.ok(known.includes(state.password), `${when} call ${at}: no one can log in`);
      if (ended) break;
      kills += 1;
      await run();
      assert.equal(state.password, value(), `${when} call ${at}`);
      assert.notEqual(value(), old);
      assert.deepEqual(pending(), []);
    }
  }
  assert.ok(kills >= 14, `only ${kills} places were tried`);
});

test("a database that does not take it leaves the old password, and no one is held up", async (context) => {
  const { state, value, pending, run } = database(context);
  state.refuses = true;
  await assert.rejects(run(), { code: "DATABASE_REFUSED", message: /rejects the new/ });
  assert.equal(value(), old);
  assert.deepEqual(pending(), []);
});

test("nothing is touched where the present password is wrong, or none is asked for", async (context) => {
  const wrong = database(context);
  wrong.state.password = "another";
  const before = wrong.text();
  await assert.rejects(wrong.run(), { code: "DATABASE_REFUSED", message: /does not open it/ });
  assert.equal(wrong.text(), before);
  const open = database(context);
  open.state.trusts = true;
  await assert.rejects(open.run(), { code: "DATABASE_REFUSED", message: /asks for no password/ });
  assert.equal(open.text(), before);
});

test("a verifier is the one of RFC 7677, as Postgres stores it", () => {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  assert.equal(
    scramVerifier("pencil", salt),
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
  );
});
