import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback, readListeners } from "./readListeners.ts";

const rest = "00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1";
const six = (local: string) =>
  `   0: ${local} 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000`;

test("sockets that listen are read with address and port, connections are not", () => {
  const text = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
    `   0: 0100007F:1F90 ${rest}`,
    `   1: 0B00007F:9C40 ${rest}`,
    `   2: 00000000:20FB ${rest}`,
    "   3: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0",
  ].join("\n");
  const found = readListeners(text);
  assert.deepEqual(found, [
    { address: "127.0.0.1", port: 8080 },
    { address: "127.0.0.11", port: 40_000 },
    { address: "0.0.0.0", port: 8443 },
  ]);
  assert.deepEqual(found.map(isLoopback), [true, true, false]);
});

test("of IPv6 the loopback is distinguished from everything else, IPv4 in IPv6 by its own address", () => {
  const text = [
    six("00000000000000000000000000000000:10DD"),
    six("00000000000000000000000001000000:06F1"),
    six("0000000000000000FFFF00000100007F:D98F"),
    six("000000FD000000000000000002000000:01BB"),
  ].join("\n");
  const found = readListeners(text);
  assert.deepEqual(found, [
    { address: "0000:0000:0000:0000:0000:0000:0000:0000", port: 4317 },
    { address: "::1", port: 1777 },
    { address: "127.0.0.1", port: 55_695 },
    { address: "fd00:0000:0000:0000:0000:0000:0000:0002", port: 443 },
  ]);
  assert.deepEqual(found.map(isLoopback), [false, true, true, false]);
});
