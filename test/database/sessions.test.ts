import assert from "node:assert/strict";
import test from "node:test";
import { withoutBlockers } from "../../scripts/database/blockers.ts";
import { sessions } from "../../scripts/database/sessions.ts";
import { bundledServer, externalServer } from "../../scripts/database/sql.ts";
import type { CommandIo } from "../../scripts/docker/engine.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

// What is asked; test/real/sessions.test.ts has a real PostgreSQL answer.

/** An engine on which a database answers nothing, and the statements it was asked. */
function recording() {
  const asked: string[] = [];
  const keep = ({ stdin }: CommandIo) => {
    asked.push(String(stdin));
    return Promise.resolve({ code: 0, stdout: "", stderr: "" });
  };
  const exec = (_: string, __: readonly string[], io: CommandIo = {}) => keep(io);
  return { asked, engine: { ...simulatedEngine(), exec, run: keep } };
}

const outside = (query: string) => {
  const { asked, engine } = recording();
  const uri = `postgresql://me:secret123456@db.example.com/app${query}`;
  return { asked, server: externalServer(engine, { uri, image: "i", network: "bridge" }) };
};
const names: readonly (readonly [query: string, names: string])[] = [
  ["", "('')"],
  ["?sslmode=require&application_name=Ann's%20letta", "('', 'Ann''s letta')"],
  [`?application_name=${"x".repeat(80)}`, `('', '${"x".repeat(63)}')`],
];
for (const [query, known] of names) {
  test(`the stack's server is known by the name that its URI gives it: ${known}`, async () => {
    const { asked, server } = outside(query);
    await sessions(server, ["app"]);
    assert.ok(asked.at(-1)!.includes(`a.application_name IN ${known}`));
  });
}

test("a bundled server's password is never read as a part of an address", async () => {
  const { asked, engine } = recording();
  const place = { container: "c", user: "letta", password: "a/b#c?d:e@f", name: "letta" };
  await sessions(bundledServer(engine, place), ["letta"]);
  assert.ok(asked.at(-1)!.includes("a.application_name IN ('')"));
});

test("behind one address only sessions since the lock of the migration count as the migration's", async () => {
  const { asked, server } = outside("");
  const surroundings = { now: () => performance.now(), reporter: { note: () => undefined } };
  const isAsked = async () => {
    while (!asked.some((one) => one.includes("pg_blocking_pids")))
      await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await withoutBlockers({ server, addresses: ["10.0.0.5"], mayEnd: true }, surroundings, isAsked);
  const statement = asked.find((one) => one.includes("pg_blocking_pids"))!;
  const [, alike = ""] = /coalesce\((w\.client_addr[^]*?), false\)\s+OR host/.exec(statement) ?? [];
  assert.match(alike, /w\.backend_start > \(SELECT max\(holder\.backend_start\)/);
  assert.match(alike, /NOT starts_with\(w\.application_name, 'letta-stack'\)/);
});
