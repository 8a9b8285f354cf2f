import assert from "node:assert/strict";
import test from "node:test";
import { postgresWords } from "../../scripts/database/psqlClient.ts";

test("the contents of a row that did not fit are left out", () => {
  const stderr = `ERROR:  23502: null value in column "must" of relation "a" violates not-null constraint
DETAIL:  Failing row contains (1, sk-hidden, null).
CONTEXT:  COPY a, line 3: "1	sk-hidden	\\N"
SCHEMA NAME:  public
LOCATION:  ExecConstraints, execMain.c:2009
`;
  assert.deepEqual(postgresWords(stderr), {
    state: "23502",
    words: [
      'ERROR: null value in column "must" of relation "a" violates not-null constraint',
      "CONTEXT: COPY a, line 3",
    ],
  });
});

test("of pg_restore's words the statement is left out", () => {
  const stderr = `pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3422; 2606 16447 FK CONSTRAINT b to_a letta
pg_restore: error: could not execute query: ERROR:  insert or update on table "b" violates it
DETAIL:  Key (a)=(41) is not present in table "a".
Command was: ALTER TABLE ONLY public.b
    ADD CONSTRAINT to_a FOREIGN KEY (a) REFERENCES public.a(id);
`;
  assert.deepEqual(postgresWords(stderr).words, [
    "while PROCESSING TOC:",
    "from TOC entry 3422; 2606 16447 FK CONSTRAINT b to_a letta",
    'could not execute query: ERROR: insert or update on table "b" violates it',
    'DETAIL: Key (a)=(41) is not present in table "a".',
  ]);
});

test("a login that failed has no SQLSTATE, only its words", () => {
  const stderr = `psql: error: connection to server at "10.0.0.1", port 5432 failed: FATAL:  password authentication failed for user "letta"\n`;
  const { state, words } = postgresWords(stderr);
  assert.equal(state, "08000");
  assert.match(words.join(), /password authentication failed/);
});
