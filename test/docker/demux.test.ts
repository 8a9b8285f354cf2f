import assert from "node:assert/strict";
import { Duplex, PassThrough, Readable, Writable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { converse, demux } from "../../scripts/docker/demux.ts";

interface Frame {
  readonly stream: 1 | 2;
  readonly payload: Uint8Array;
}

/** As the engine writes it: the stream's number, three zeros, the length, the bytes. */
function encode(frames: readonly Frame[]): Buffer {
  return Buffer.concat(
    frames.flatMap(({ stream, payload }) => {
      const header = Buffer.alloc(8);
      header[0] = stream;
      header.writeUInt32BE(payload.length, 4);
      return [header, payload];
    }),
  );
}

const frame = (stream: 1 | 2, text: string): Frame => ({ stream, payload: Buffer.from(text) });
const frames = fc.array(
  fc.record({
    stream: fc.constantFrom<(1 | 2)[]>(1, 2),
    payload: fc.uint8Array({ maxLength: 30 }),
  }),
  { maxLength: 8 },
);
const of = (all: readonly Frame[], stream: 1 | 2) =>
  Buffer.concat(all.filter((one) => one.stream === stream).map((one) => one.payload)).toString(
    "hex",
  );

/** Both outputs of these chunks, in hex. */
async function taken(chunks: readonly Buffer[]): Promise<{ output: string; errors: string }> {
  const errors: Buffer[] = [];
  const output: Buffer[] = [];
  for await (const chunk of demux(Readable.from(chunks), (one) => errors.push(one)))
    output.push(chunk);
  const hex = (parts: Buffer[]) => Buffer.concat(parts).toString("hex");
  return { output: hex(output), errors: hex(errors) };
}

/** The bytes in pieces that end at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (one, other) => one - other,
  );
  return [0, ...ends].map((from, index) => bytes.subarray(from, ends[index] ?? bytes.length));
}

test("one cut, at whatever byte, changes nothing", async () => {
  const all = [frame(1, "first"), frame(2, "warning"), frame(1, ""), frame(1, "last\n")];
  const bytes = encode(all);
  for (let place = 0; place <= bytes.length; place += 1) {
    const { output, errors } = await taken(cut(bytes, [place]));
    assert.equal(Buffer.from(output, "hex").toString(), "firstlast\n", `cut at ${place}`);
    assert.equal(Buffer.from(errors, "hex").toString(), "warning", `cut at ${place}`);
  }
});

test("byte by byte it is the same", async () => {
  const bytes = encode([frame(2, "e"), frame(1, "output")]);
  const { output, errors } = await taken(Array.from(bytes, (byte) => Buffer.of(byte)));
  assert.equal(output, Buffer.from("output").toString("hex"));
  assert.equal(errors, Buffer.from("e").toString("hex"));
});

test("a frame longer than one and two bytes can count comes whole", async () => {
  for (const length of [256, 65_536, 1_000_003]) {
    const payload = Buffer.alloc(length, "x");
    const { output } = await taken(cut(encode([{ stream: 1, payload }, frame(2, "e")]), [9, 4096]));
    assert.equal(output.length, 2 * length);
  }
});

test("any frames in any pieces come apart into their two outputs", async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.nat(), { maxLength: 6 }), async (all, places) => {
      assert.deepEqual(await taken(cut(encode(all), places)), {
        output: of(all, 1),
        errors: of(all, 2),
      });
    }),
  );
});

/** A command's connection: what it is given, and what it answers once its input has ended. */
function command(answer: readonly Frame[]): { stream: Duplex; given: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
    final(done) {
      stream.push(encode(answer));
      stream.push(null);
      done();
    },
  });
  return { stream, given: () => Buffer.concat(chunks).toString() };
}

test("a command gets its input and its end, and both outputs come back", async () => {
  const { stream, given } = command([frame(1, "rows: 1\n"), frame(2, "notice\n")]);
  assert.deepEqual(await converse(stream, { stdin: "SELECT 1" }), {
    stdout: "rows: 1\n",
    stderr: "notice\n",
  });
  assert.equal(given(), "SELECT 1");
});

test("a character that two frames share comes back whole", async () => {
  const bytes = Buffer.from("Ümlaut");
  const halves = [bytes.subarray(0, 1), bytes.subarray(1)];
  const { stream } = command(halves.map((payload) => ({ stream: 1, payload })));
  assert.equal((await converse(stream, {})).stdout, "Ümlaut");
});

test("output that goes into a sink is not retained alongside it", async () => {
  const sink = new PassThrough();
  const { stream } = command([frame(1, "dump"), frame(2, "done")]);
  const [result, bytes] = await Promise.all([converse(stream, { stdout: sink }), sink.toArray()]);
  assert.deepEqual(result, { stdout: "", stderr: "done" });
  assert.equal(Buffer.concat(bytes).toString(), "dump");
});

test("an input that is a stream reaches the command whole", async () => {
  const { stream, given } = command([]);
  await converse(stream, { stdin: Readable.from([Buffer.from("dump "), Buffer.from("rest")]) });
  assert.equal(given(), "dump rest");
});

test("a sink that cannot take more is a failure with its own words", async () => {
  const full = new Writable({
    write: (_chunk, _encoding, done) => done(new Error("ENOSPC: the disk is full")),
  });
  const { stream } = command([frame(1, "dump")]);
  await assert.rejects(converse(stream, { stdout: full }), /the disk is full/);
});
