import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { keepAlive } from "../../scripts/docker/keepAlive.ts";

/** A process behind an attached stream, as the engine frames what it prints. */
function program() {
  const asked: string[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _, done) {
      asked.push(String(chunk));
      done();
    },
  });
  const print = async (text: string, output = 1) => {
    const header = Buffer.from([output, 0, 0, 0, 0, 0, 0, text.length]);
    stream.push(Buffer.concat([header, Buffer.from(text)]));
    for (let turns = 0; turns < 5; turns += 1) await turn();
  };
  return { stream, asked, print };
}

const beat = { question: "?\n", answer: "!" };

test("what has just answered is not asked again, and what is silent is", async () => {
  const { stream, asked, print } = program();
  let now = 1_000;
  const { isAlive, stop } = keepAlive(stream, beat, () => now);
  const first = isAlive();
  await print("!\n");
  assert.equal(await first, true);
  now += 20_000;
  assert.equal(await isAlive(), true);
  assert.equal(asked.length, 1);
  now += 20_000;
  const second = isAlive();
  assert.equal(asked.length, 2);
  await print("!\n");
  assert.equal(await second, true);
  stop();
});

test("a clock that was set back is no reason to believe an old answer", async () => {
  const { stream, asked, print } = program();
  let now = 1_000_000;
  const { isAlive, stop } = keepAlive(stream, beat, () => now);
  const first = isAlive();
  await print("!\n");
  await first;
  now = 5;
  const second = isAlive();
  assert.equal(asked.length, 2);
  await print("!\n");
  assert.equal(await second, true);
  stop();
});

test("an answer to an earlier question is none to the present one", async () => {
  const { stream, print } = program();
  let now = 1_000;
  const { isAlive, stop } = keepAlive(stream, beat, () => now);
  void isAlive();
  now += 90_000; // this machine slept
  let said: boolean | undefined;
  void isAlive().then((alive) => (said = alive));
  await print("!\n");
  assert.equal(said, undefined);
  await print("!\n");
  assert.equal(said, true);
  stop();
});

for (const [how, end] of [
  ["ends", (one: ReturnType<typeof program>) => void one.stream.push(null)],
  ["breaks", (one: ReturnType<typeof program>) => void one.stream.destroy(new Error("reset"))],
  ["gives another answer", (one: ReturnType<typeof program>) => void one.print("other\n")],
] as const) {
  test(`a connection that ${how} is lost, at once and for good`, async () => {
    const one = program();
    const { isAlive } = keepAlive(one.stream, beat, () => 0);
    const first = isAlive();
    await one.print("!\n");
    assert.equal(await first, true);
    end(one);
    for (let turns = 0; turns < 5; turns += 1) await turn();
    assert.equal(await isAlive(), false);
  });
}

test("standard error is no answer", async () => {
  const { stream, print } = program();
  const { isAlive, stop } = keepAlive(stream, beat, () => 0);
  const first = isAlive();
  await print("a warning\n", 2);
  await print("!\n");
  assert.equal(await first, true);
  stop();
});

test("one that answers nothing for twenty seconds is lost", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const { stream } = program();
  const { isAlive } = keepAlive(stream, beat, () => 0);
  const asking = isAlive();
  mock.timers.tick(20_000);
  assert.equal(await asking, false);
  mock.timers.reset();
});
