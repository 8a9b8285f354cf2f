import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { buildSecrets } from "../../scripts/docker/recipes.ts";

test("a host without settings of its own gives a build nothing", () => {
  assert.deepEqual(buildSecrets({ HOME: "/home/a", PATH: "/bin", LETTA_PG_PASSWORD: "x" }), {
    secretFiles: {},
    secretTexts: {},
  });
});

test("the first certificate bundle that is set is the one", () => {
  const { secretFiles } = buildSecrets({ CURL_CA_BUNDLE: "/c", PIP_CERT: "/p", SSL_CERT_FILE: "" });
  assert.deepEqual(secretFiles, { ca: "/p" });
});

test("a value reaches the build's shell byte for byte and runs nothing", () => {
  const hostile = `a'b"c $(exit 3) \`exit 3\` \\ $HOME; exit 3\nnext`;
  const { secretTexts } = buildSecrets({ PIP_INDEX_URL: hostile });
  const script = `${secretTexts["host"]}\nprintf %s "$PIP_INDEX_URL"`;
  assert.equal(execFileSync("sh", ["-ec", script], { encoding: "utf8" }), hostile);
});
