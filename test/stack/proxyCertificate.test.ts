import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import { proxyCertificate, secretValues } from "../../scripts/stack/proxyCertificate.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";
import { exampleSecrets, root } from "./exampleStack.ts";

const folder = mkdtempSync(join(tmpdir(), "proxy certificate-"));
after(() => rmSync(folder, { recursive: true }));
const other = join(folder, "other");
mkdirSync(other);
const { key, certificate } = certificateAuthority(folder, "letta.example");
certificateAuthority(other, "letta.example");
const text = join(folder, "text.pem");
writeFileSync(text, "this is no PEM");

const own = {
  PROXY_CERT_FILE: join(folder, "server.pem"),
  PROXY_KEY_FILE: join(folder, "server.key"),
};

function settings(environment: "dev" | "prod", more: Readonly<Record<string, string>>) {
  return readSettings({ environment, root, processEnvironment: { ...exampleSecrets, ...more } });
}

test("certificate and key travel byte for byte, as secrets do", () => {
  const values = secretValues(settings("prod", { ...own, PROXY_DOMAIN: "letta.example" }));
  assert.equal(values.get("PROXY_CERTIFICATE"), certificate.toString());
  assert.equal(values.get("PROXY_KEY"), key.toString());
  assert.equal(values.get("LETTA_PG_PASSWORD"), exampleSecrets["LETTA_PG_PASSWORD"]);
});

test("nothing is read where none is set, or there is no proxy", () => {
  assert.equal(proxyCertificate(settings("prod", {})), undefined);
  assert.equal(proxyCertificate(settings("dev", { ...own, PROXY_CERT_FILE: "/gone" })), undefined);
});

const refused: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
  ["a file that is not there", { PROXY_CERT_FILE: "/gone.pem" }, /CERT_FILE: .* got ENOENT$/],
  ["a certificate that is none", { PROXY_CERT_FILE: text }, /CERT_FILE: expected a PEM cert/],
  ["a key that is none", { PROXY_KEY_FILE: text }, /KEY_FILE: expected a PEM key without a pass/],
  [
    "the key of another certificate",
    { PROXY_KEY_FILE: join(other, "server.key") },
    /KEY_FILE: expected the key of PROXY_CERT_FILE, got another$/,
  ],
  [
    "a certificate for another name",
    { PROXY_DOMAIN: "other.example" },
    /CERT_FILE: expected a certificate for other\.example, got one for DNS:letta\.example$/,
  ],
];

for (const [what, more, line] of refused) {
  test(`${what} is refused with its place, and nothing of the key is said`, () => {
    const refusal = { code: "SETTINGS_INVALID" };
    assert.throws(
      () => proxyCertificate(settings("prod", { ...own, ...more })),
      (error: { code: string; details: readonly string[] }) => {
        assert.equal(error.code, refusal.code);
        assert.equal(error.details.length, 1);
        assert.match(error.details[0]!, /^process environment: PROXY_/);
        assert.match(error.details[0]!, line);
        const middle = readFileSync(own.PROXY_KEY_FILE, "utf8").split("\n")[1]!;
        assert.ok(!JSON.stringify(error.details).includes(middle));
        return true;
      },
    );
  });
}
