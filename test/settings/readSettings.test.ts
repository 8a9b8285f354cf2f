import assert from "node:assert/strict";
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { settingDefinitions, type SettingName } from "../../scripts/settings/settingDefinitions.ts";
import { explainSetting, readSettings } from "../../scripts/settings/readSettings.ts";
import { quoteEnvValue } from "../../scripts/settings/envFile.ts";
import { project } from "./project.ts";

const password = "kR7mQ2vX9bT4nL6w";
const secrets = `LETTA_PG_PASSWORD=${password}\nLETTA_SERVER_PASSWORD=uT5pW8zE3cH1\nLETTA_ENCRYPTION_KEY=yF6jN4sD0gA9\n`;

test("the shipped env files are accepted in every environment", (context) => {
  const { read, write } = project(context);
  for (const environment of ["dev", "development", "staging", "prod"] as const) {
    write(`env/${environment}.secrets.env`, secrets);
    const process = environment === "development" ? { LETTA_SOURCE_DIR: "/src/letta" } : {};
    const settings = read(environment, process);
    assert.equal(settings.project, `letta-${environment}`);
    assert.equal(settings.get("LETTA_ENVIRONMENT"), environment);
    assert.equal(settings.get("SECURE"), String(!environment.startsWith("dev")));
  }
});

test("each layer goes over the one before, and every value knows where it is from", (context) => {
  const { root, read, write } = project(context);
  write(
    "env/common.env",
    `${readFileSync(join(root, "env/common.env"), "utf8")}DD_SITE=a.example\n`,
  );
  write("env/dev.secrets.env", `${secrets}DD_SITE=b.example\n`);
  const settings = read("dev", { PORT: "9000", HOME: "/root", letta_pg_db: "x", NOT_OURS: "$" });
  assert.equal(settings.get("PORT"), "9000");
  assert.equal(settings.origin("PORT"), "process environment");
  assert.equal(settings.get("DD_SITE"), "b.example");
  assert.equal(settings.origin("DD_SITE"), "env/dev.secrets.env:4");
  assert.match(settings.origin("LETTA_PG_DB"), /^env\/common\.env:\d+$/u);
  assert.equal(settings.origin("STACK_PROJECT"), "default");
  assert.equal(settings.origin("GRAFANA_URL"), "");
  assert.equal(settings.stateDir, join(root, ".stack"));
  const { layers } = explainSetting(settings, "PORT");
  assert.deepEqual(
    layers.map((one) => [one.value, one.wins]),
    [
      ["8283", false],
      ["9000", true],
    ],
  );
  assert.deepEqual(settings.lookup("PORT"), { value: "9000", secret: false });
  assert.equal(settings.lookup("constructor"), undefined);
});

test("an empty value unsets, and a default comes back", (context) => {
  const { read, refusal, write } = project(context);
  write("env/dev.secrets.env", `${secrets}DD_SITE=b.example\nSTACK_PROJECT=mine\n`);
  assert.equal(read("dev").project, "mine");
  const settings = read("dev", { DD_SITE: "", STACK_PROJECT: "" });
  assert.ok(!settings.has("DD_SITE"));
  assert.equal(settings.project, "letta-dev");
  assert.deepEqual(refusal("dev", { PORT: "" }).details, [
    "process environment: PORT: expected a port from 1 to 65535, got nothing",
  ]);
});

test("entries are sorted and set; secrets are distinguished", (context) => {
  const { read, write } = project(context);
  write("env/dev.secrets.env", secrets);
  const settings = read("dev");
  const names = settings.entries().map((one) => one.name);
  assert.deepEqual(names, names.toSorted());
  assert.ok(settings.entries().every((one) => one.value !== ""));
  assert.deepEqual(
    settings
      .entries()
      .filter((one) => one.secret)
      .map((one) => one.name),
    [...settings.secrets.keys()],
  );
  assert.deepEqual([...settings.secrets.values()].toSorted(), settings.sensitive().toSorted());
});

test("all faults at once, in the order of files and lines", (context) => {
  const { root, refusal, write } = project(context);
  const dev = readFileSync(join(root, "env/dev.env"), "utf8").split("\n").length;
  write(
    "env/dev.env",
    `${readFileSync(join(root, "env/dev.env"), "utf8")}LETA_PG_DB=x\nCLICKHOUSE_ENDPOINT=tcp://ch:9000\nDD_SITE=$X\n`,
  );
  write("env/dev.secrets.env", `${secrets}LETTA_VERSION=latest\n`);
  const { message, details, next, exit } = refusal("dev", { SECURE: "yes" });
  assert.equal(message, "5 settings are not usable");
  assert.equal(next, "npm run settings -- dev");
  assert.equal(exit, 2);
  assert.deepEqual(details, [
    `env/dev.env:${dev}: LETA_PG_DB: expected a setting this project has, got an unknown name; did you mean LETTA_PG_DB?`,
    `env/dev.env:${dev + 1}: CLICKHOUSE_ENDPOINT: expected http:// or https:// with a host and port, got tcp://ch:9000; the exporter would take it, Letta's reader would not; use http://host:8123`,
    `env/dev.env:${dev + 2}: DD_SITE: expected single quotes around a value with $ (they keep it), got an unquoted $`,
    "env/dev.secrets.env:4: LETTA_VERSION: expected a version such as 0.16.8, got latest",
    "process environment: SECURE: expected true or false, got yes",
  ]);
});

test("what prod lacks is reported at the file it belongs into, with the command that makes it", (context) => {
  const { refusal, write } = project(context);
  const { details, next } = refusal("prod");
  assert.deepEqual(
    details.map((line) => line.split(": ").slice(0, 2).join(": ")),
    [
      "env/prod.secrets.env: LETTA_SERVER_PASSWORD",
      "env/prod.secrets.env: LETTA_ENCRYPTION_KEY",
      "env/prod.secrets.env: LETTA_PG_PASSWORD",
    ],
  );
  assert.ok(details.every((line) => line.endsWith("; npm run secrets -- init prod")));
  assert.equal(next, "npm run secrets -- init prod");
  write("env/prod.secrets.env", secrets.replace("uT5pW8zE3cH1", ""));
  assert.match(
    refusal("prod").details[0] ?? "",
    /^env\/prod\.secrets\.env:2: LETTA_SERVER_PASSWORD: .*got nothing/u,
  );
});

for (const stopgap of [
  "changeme",
  "Letta",
  "password1",
  "secret",
  "example",
  "TODO",
  "xxxx",
  "<key>",
  "short",
  "   ",
]) {
  test(`a stopgap is refused where it matters: ${JSON.stringify(stopgap)}`, (context) => {
    const { refusal, write } = project(context);
    for (const environment of ["staging", "prod"] as const) {
      const written = quoteEnvValue(stopgap) ?? "";
      write(`env/${environment}.secrets.env`, secrets.replace("uT5pW8zE3cH1", written));
      const { details } = refusal(environment);
      assert.equal(details.length, 1, details.join("\n"));
      assert.match(details[0] ?? "", /secrets\.env:2: LETTA_SERVER_PASSWORD: expected/u);
      assert.ok(!details[0]?.includes(`got ${stopgap}`));
    }
  });
}

test("for looking only, what is missing is tolerated and named; what is wrong is not", (context) => {
  const { root, write } = project(context);
  const look = () =>
    readSettings({ environment: "prod", root, processEnvironment: {}, mayMiss: true });
  const settings = look();
  assert.deepEqual(settings.missing, [
    "LETTA_SERVER_PASSWORD",
    "LETTA_ENCRYPTION_KEY",
    "LETTA_PG_PASSWORD",
  ]);
  assert.ok(!settings.has("LETTA_PG_PASSWORD"));
  write("env/prod.secrets.env", "LETTA_SERVER_PASSWORD=changeme\n");
  assert.throws(look, { code: "SETTINGS_INVALID", message: "1 setting is not usable" });
});

test("a stopgap inside a database URI is refused too", (context) => {
  const { refusal, write } = project(context);
  write("env/prod.secrets.env", `${secrets}LETTA_PG_URI=postgresql://letta:letta@db/letta\n`);
  assert.deepEqual(refusal("prod").details, [
    "env/prod.secrets.env:4: LETTA_PG_URI: expected a secret of its own, got a placeholder",
  ]);
});

test("a secret in a committed file is refused in any environment", (context) => {
  const { root, refusal, write } = project(context);
  write("env/dev.secrets.env", secrets);
  const common = readFileSync(join(root, "env/common.env"), "utf8");
  write("env/common.env", `${common}DD_API_KEY=0123456789abcdef\n`);
  assert.deepEqual(refusal("dev").details, [
    `env/common.env:${common.split("\n").length}: DD_API_KEY: expected a secret in env/dev.secrets.env, not in a committed file, got a value of 16 characters`,
  ]);
});

for (const mode of [0o644, 0o640, 0o604, 0o620]) {
  test(`a secrets file of mode ${mode.toString(8)} is refused with the cure`, (context) => {
    const { refusal, write } = project(context);
    write("env/dev.secrets.env", secrets, mode);
    assert.deepEqual(refusal("dev").details, [
      `env/dev.secrets.env: expected mode 0600, got 0${mode.toString(8)}; chmod 600 env/dev.secrets.env`,
    ]);
  });
}

test("a missing or odd file is a fault, not a crash or a wait", (context) => {
  const { root, refusal, write } = project(context);
  write("env/dev.secrets.env", secrets);
  rmSync(join(root, "env/dev.env"));
  assert.equal(refusal("dev").details[0], "env/dev.env: expected a readable file, got none");
  symlinkSync("/dev/zero", join(root, "env/dev.env"));
  assert.match(refusal("dev").details[0] ?? "", /^env\/dev\.env: .*not a file$/u);
});

test("lines and control characters cannot hide in any value", (context) => {
  const { refusal, write } = project(context);
  for (const value of ["two\nlines", "esc\u001b[2J", "del\u007f", "bad\ufffd"]) {
    write("env/dev.secrets.env", `${secrets}OPENAI_API_KEY=${quoteEnvValue(value)}\n`);
    const { details } = refusal("dev", { DD_SITE: value });
    assert.equal(details.length, 2);
    for (const line of details) assert.match(line, /expected one line of text without control/u);
    assert.doesNotMatch(details.join(""), /\p{Cc}/u);
  }
});

test("hostile values of a secret arrive byte for byte", (context) => {
  const { read, write } = project(context);
  const values =
    "$(id) `id` ;rm a$HOME a$$b x#y # 'q %s @:/?# -x * & ! 0123 1e5 null no true".split(" ");
  for (const value of [...values, " edges ", "\u202eltr", 'say "hi"', "a\\b"]) {
    write("env/dev.secrets.env", `${secrets}OPENAI_API_KEY=${quoteEnvValue(value)}\n`);
    assert.equal(read("dev").get("OPENAI_API_KEY"), value);
    assert.equal(read("dev", { OPENAI_API_KEY: value }).secrets.get("OPENAI_API_KEY"), value);
  }
});

test("no refusal shows a secret, whatever it is and wherever it strayed", (context) => {
  const { refusal } = project(context);
  const names = (Object.keys(settingDefinitions) as SettingName[]).filter(
    (name) => settingDefinitions[name].secret && !settingDefinitions[name].passed,
  );
  const marked = fc.string({ unit: "grapheme" }).map((text) => `q9Zx7K${text}`);
  fc.assert(
    fc.property(fc.constantFrom(...names), marked, (name, secret) => {
      for (const environment of ["dev", "prod"] as const) {
        const stray = {
          [name]: secret,
          LETTA_PG_USER: secret,
          DEBIAN_MIRROR: `http://u:${secret}@x/`,
        };
        const problem = refusal(environment, stray);
        assert.ok(!inspect(problem).includes("q9Zx7K"), `${name} in ${problem.details.join("\n")}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("the password within a database URI is among what output must hide", (context) => {
  const { read, write } = project(context);
  write(
    "env/prod.secrets.env",
    `${secrets}LETTA_PG_URI=postgresql://u:innerPass99@db:5432/x?sslmode=disable\n`,
  );
  assert.ok(read("prod").sensitive().includes("innerPass99"));
});

const breaches: [string, "dev" | "staging" | "prod", Record<string, string>, RegExp][] = [
  [
    "sandbox paths differ",
    "dev",
    { TOOL_EXEC_DIR: "/tools" },
    /^process environment: TOOL_EXEC_DIR: expected what LETTA_SANDBOX_MOUNT_PATH is \(env\/common\.env:\d+\)/u,
  ],
  [
    "two published ports are one",
    "dev",
    { OTEL_HTTP_PORT: "8283" },
    /OTEL_HTTP_PORT: expected a port of its own, got the one of PORT \(env\/common\.env:\d+\)$/u,
  ],
  [
    "the proxy's port is one of the collector's",
    "prod",
    { PROXY_HTTPS_PORT: "4317" },
    /OTEL_GRPC_PORT: expected a port of its own, got the one of PROXY_HTTPS_PORT/u,
  ],
  [
    "the proxy's port is the server's in dev",
    "dev",
    { PROXY: "true", PROXY_HTTPS_PORT: "8283" },
    /PROXY_HTTPS_PORT: expected a port of its own, got the one of PORT/u,
  ],
  [
    "prod without its proxy",
    "prod",
    { PROXY: "false" },
    /PROXY: expected true in prod, got false$/u,
  ],
  [
    "an open proxy before a server that asks for no password",
    "dev",
    { PROXY: "true", PROXY_PUBLISH_HOST: "0.0.0.0" },
    /PROXY_PUBLISH_HOST: expected 127\.0\.0\.1, unless SECURE is true, got 0\.0\.0\.0$/u,
  ],
  [
    "a proxy without an address",
    "dev",
    { PROXY: "true", PROXY_PUBLISH_HOST: "" },
    /PROXY_PUBLISH_HOST: expected a value, as PROXY is true, got nothing$/u,
  ],
  [
    "a server that may take as long to stop as requests may be held",
    "prod",
    { DRAIN_TIMEOUT: "2m" },
    /DRAIN_TIMEOUT: expected less than PAUSE_TIMEOUT \(120 s\), as requests are paused meanwhile, got 120 s$/u,
  ],
  [
    "a server that cannot keep as many spans as it sends at once",
    "dev",
    { OTEL_BSP_MAX_QUEUE_SIZE: "63" },
    /OTEL_BSP_MAX_QUEUE_SIZE: expected at least OTEL_BSP_MAX_EXPORT_BATCH_SIZE \(64\), got 63$/u,
  ],
  [
    "a server that no one reaches",
    "prod",
    { HOST: "127.0.0.1" },
    /HOST: expected an IP address that is not loopback, such as 0\.0\.0\.0, got 127\.0\.0\.1$/u,
  ],
  [
    "a certificate without its key",
    "prod",
    { PROXY_CERT_FILE: "proxy.pem" },
    /PROXY_KEY_FILE: expected a file, as PROXY_CERT_FILE and PROXY_KEY_FILE go together/u,
  ],
  [
    "the application's database role named like the tool's own",
    "prod",
    { LETTA_PG_USER: "letta_admin" },
    /LETTA_PG_USER: expected a role of the application's own, such as letta, got letta_admin, letta-stack's own superuser there$/u,
  ],
  [
    "the application's database role named like that of a rehearsal",
    "dev",
    { LETTA_PG_USER: "letta_rehearsal" },
    /LETTA_PG_USER: expected a role of the application's own, such as letta, got letta_rehearsal/u,
  ],
  [
    "prod without SECURE",
    "prod",
    { SECURE: "false" },
    /SECURE: expected true in prod, got false$/u,
  ],
  [
    "staging without SECURE",
    "staging",
    { SECURE: "false" },
    /SECURE: expected true in staging, got false$/u,
  ],
  [
    "SECURE without a password",
    "dev",
    { SECURE: "true", LETTA_SERVER_PASSWORD: "" },
    /LETTA_SERVER_PASSWORD: expected a password, as SECURE is true/u,
  ],
  [
    "no database at all",
    "dev",
    { LETTA_PG_PASSWORD: "" },
    /LETTA_PG_PASSWORD: expected a password for the bundled database, or a LETTA_PG_URI/u,
  ],
];

for (const [title, environment, process, line] of breaches) {
  test(`a rule between settings: ${title}`, (context) => {
    const { refusal, write } = project(context);
    write(`env/${environment}.secrets.env`, secrets);
    const { details } = refusal(environment, process);
    assert.equal(details.length, 1, details.join("\n"));
    assert.match(details[0] ?? "", line);
  });
}

test("ClickHouse with endpoint and password needs all four", (context) => {
  const { read, refusal, write } = project(context);
  const half = `${secrets}CLICKHOUSE_ENDPOINT=http://ch:8123\nCLICKHOUSE_PASSWORD=pL3oK9iJ\n`;
  write("env/dev.secrets.env", half);
  assert.deepEqual(
    refusal("dev").details.map((line) => line.split(": ")[1]),
    ["CLICKHOUSE_DATABASE", "CLICKHOUSE_USERNAME"],
  );
  write("env/dev.secrets.env", `${half}CLICKHOUSE_DATABASE=otel\nCLICKHOUSE_USERNAME=otel\n`);
  assert.ok(read("dev").has("CLICKHOUSE_USERNAME"));
});

test("an unknown name to explain is answered with the nearest", (context) => {
  const { read, write } = project(context);
  write("env/dev.secrets.env", secrets);
  const settings = read("dev");
  assert.throws(() => explainSetting(settings, "LETTA_PG_URL"), {
    code: "USAGE",
    message: /did you mean LETTA_PG_URI\?/u,
  });
  assert.ok(!JSON.stringify(explainSetting(settings, "LETTA_PG_PASSWORD")).includes(password));
});
