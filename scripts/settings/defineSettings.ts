import { isIP } from "node:net";
import { check, type GenericSchema, pipe, string } from "valibot";
import type { EnvironmentName } from "./environmentName.ts";

type Test = (value: string) => boolean;

/** An ordinary kind: one expectation, one test. */
function plain(expected: string, test: RegExp | Test): ValueType {
  return { expected, schema: pipe(string(), check(asTest(test), "")) };
}

/** A kind with a mistake that deserves its own explanation. */
function explained(
  expected: string,
  test: RegExp | Test,
  mistake: RegExp,
  reason: string,
): ValueType {
  const innocent = check<string, string>((value) => !mistake.test(value), reason);
  return { expected, schema: pipe(string(), innocent, check(asTest(test), "")) };
}

function asTest(test: RegExp | Test): Test {
  return typeof test === "function" ? test : (value) => test.test(value);
}

const host = String.raw`(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])`;
/** What breaks the database URI it is pasted into; % kills Alembic, so encoding is no way out. */
const breaking = String.raw`\s/#?%@:[\]`;
const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const registry = String.raw`(?=localhost[:/]|[^/]*[.:])${host}(?::\d+)?/`;
const imageName = `(?:${registry})?${component}(?:/${component})*`;
const tag = String.raw`:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`;
const digest = "@sha256:[0-9a-f]{64}";

const isPort: Test = (value) => /^[1-9]\d{0,4}$/u.test(value) && Number(value) <= 65_535;

const isPercent: Test = (value) => /^\d{1,3}(?:\.\d{1,4})?$/u.test(value) && Number(value) <= 100;

const isFactor: Test = (value) => isPercent(value) && Number(value) >= 1;

/** The collector's expressions are RE2: what both understand is without look-around and back-references. */
function isPattern(value: string): boolean {
  try {
    return (
      new RegExp(value, "u") instanceof RegExp &&
      !/\p{Cc}/u.test(value) &&
      !/\(\?[=!<]|\\[1-9]/u.test(value)
    );
  } catch {
    return false;
  }
}

function isWebUrl(value: string): boolean {
  if (!/^https?:\/\/[^\s"'<>\\^`{|}@]+$/u.test(value)) return false;
  return URL.canParse(value);
}

/** `["https://a"]`, as pydantic reads a list. */
function isJsonList(value: string): boolean {
  try {
    return Array.isArray(JSON.parse(value));
  } catch {
    return false;
  }
}

function isEndpoint(value: string): boolean {
  const port = value.slice(value.lastIndexOf(":") + 1);
  return new RegExp(`^(?:https?://)?${host}:\\d+$`, "u").test(value) && isPort(port);
}

function isDatabaseUri(value: string): boolean {
  const parts = new RegExp(
    `^postgresql://[^${breaking}]+:[^${breaking}]+@${host}(?::(\\d+))?/[^${breaking}]+(?:\\?[^\\s#%]*)?$`,
    "u",
  ).exec(value);
  return parts !== null && (parts[1] === undefined || isPort(parts[1]));
}

function isClickHouse(value: string): boolean {
  const parts = new RegExp(`^https?://${host}(?::(\\d+))?$`, "u").exec(value);
  return parts !== null && (parts[1] === undefined || isPort(parts[1]));
}

/** The kinds of value that settings have. */
export const valueType = {
  any: plain("a value in one line", /^(?=.*\S)[^\p{Cc}]*(?:\t[^\p{Cc}]*)*$/u),
  flag: plain("true or false", /^(?:true|false)$/u),
  port: plain("a port from 1 to 65535", isPort),
  count: plain("a whole number above 0", /^[1-9]\d{0,8}$/u),
  number: plain("a number", /^\d{1,9}(?:\.\d{1,6})?$/u),
  json: plain('a JSON list such as ["https://a.example"]', isJsonList),
  few: plain("a whole number from 1 to 9", /^[1-9]$/u),
  percent: plain("a number from 0 to 100", isPercent),
  factor: plain("a number from 1 to 100 such as 1.5", isFactor),
  pattern: plain("a regular expression", isPattern),
  /** Loopback is the container's own: neither the proxy nor a published port reaches it. */
  openAddress: plain(
    "an IP address that is not loopback, such as 0.0.0.0",
    (value) => isIP(value) !== 0 && !/^(?:127\.|::1$)/.test(value),
  ),
  address: plain("an IP address such as 0.0.0.0", (value) => isIP(value) !== 0),
  hostName: plain("a host name such as datadoghq.eu", new RegExp(`^${host}$`, "u")),
  /** In a container loopback is the container itself. */
  redisHost: explained(
    "a host name or an IP address that the server's container reaches",
    (value) => isIP(value) !== 0 || new RegExp(`^${host}$`, "u").test(value),
    /[/@[]|^[^:]*:[^:]*$|^localhost$|^127\.|^::1$/iu,
    "the server takes a host without password, TLS and database number, its port in LETTA_REDIS_PORT; this machine is host.docker.internal",
  ),
  names: plain(
    "host names or IP addresses with commas between them, such as letta.home,192.0.2.5",
    (value) =>
      value.split(",").every((one) => isIP(one) !== 0 || new RegExp(`^${host}$`, "u").test(one)),
  ),
  mail: plain("an e-mail address", /^[\w.+-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u),
  version: plain("a version such as 0.16.8", /^\d+\.\d+\.\d+(?:[.-][0-9A-Za-z.-]+)?$/u),
  bytes: plain("a size such as 512m or 2g", /^[1-9]\d{0,8}(?:b|k|kb|m|mb|g|gb)$/iu),
  databaseBytes: plain("a size such as 256MB or 2GB", /^[1-9]\d{0,8}(?:kB|MB|GB)$/u),
  duration: plain("a duration such as 200ms, 1s or 1m30s", /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/u),
  identifier: plain("a name of a-z, 0-9 and _ (no digit first)", /^[a-z_][a-z0-9_]{0,62}$/u),
  word: plain("a word of letters, digits, . _ and -", /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/u),
  project: plain("a name of a-z, 0-9, _ and -, 41 at most", /^[a-z0-9][a-z0-9_-]{0,40}$/u),
  directory: plain("a path without : or $", /^[^:$\p{Cc}]+$/u),
  absolute: plain("an absolute path without : or $", /^\/[^:$\p{Cc}]+$/u),
  inContainer: plain(
    "an absolute path in the container, without ..",
    (value) => /^(?:\/[A-Za-z0-9._-]+)+$/u.test(value) && !value.split("/").includes(".."),
  ),
  webUrl: explained(
    "an http:// or https:// URL",
    isWebUrl,
    /^[^/]*\/\/[^/]*@/u,
    "user and password do not belong into a URL that is shown",
  ),
  /** In a container loopback is the container itself. */
  modelUrl: explained(
    "an http:// or https:// URL that the server's container reaches",
    isWebUrl,
    /^https?:\/\/(?:localhost|127\.[\d.]+|\[::1\])(?=[:/]|$)|^[^/]*\/\/[^/]*@/iu,
    "for a model on this machine: http://host.docker.internal:<port>, and the model server listening on 0.0.0.0",
  ),
  endpoint: plain("host:port, with or without http:// or https://", isEndpoint),
  image: explained(
    "an image with a tag or a digest",
    new RegExp(`^${imageName}(?:${tag}|(?:${tag})?${digest})$`, "u"),
    /^[^@]*:latest$/u,
    "latest names another image every time",
  ),
  versionedImage: explained(
    "an image; without a tag, its version setting is the tag",
    new RegExp(`^${imageName}(?:${tag})?(?:${digest})?$`, "u"),
    /^[^@]*:latest$/u,
    "latest names another image every time",
  ),
  clickHouse: explained(
    "http:// or https:// with a host and port",
    isClickHouse,
    /^(?:tcp|clickhouse|native):\/\//u,
    "the exporter would take it, Letta's reader would not; use http://host:8123",
  ),
  databaseUri: explained(
    "postgresql://user:password@host[:port]/database",
    isDatabaseUri,
    new RegExp(`^postgresql://(?:.*%|[^@]*:[^@]*[${breaking}][^@]*@|.*@.*@)`, "u"),
    "the password cannot hold / # ? % @ : [ ] or white space, percent-encoded neither (% breaks Alembic)",
  ),
  databasePassword: explained(
    "12 characters or more, none of them / # ? % @ : [ ] or white space",
    new RegExp(`^[^${breaking}]{12,}$`, "u"),
    new RegExp(`[${breaking}]`, "u"),
    "it is pasted into the database URI as it stands, where % breaks Alembic too; never percent-encode it",
  ),
  grafanaPassword: explained(
    "a password",
    /\S/u,
    /\$\{|\$__|%\(/u,
    "Grafana expands ${ $__ and %( in its settings, and would take another one",
  ),
  oneOf: (...words: readonly string[]): ValueType =>
    plain(words.join(", ").replace(/, ([^,]*)$/u, " or $1"), (value) => words.includes(value)),
};

/** What a setting's text must look like; an issue's message, if any, is the reason or the remedy. */
interface ValueType {
  /** Completes the sentence "expected …". */
  readonly expected: string;
  readonly schema: GenericSchema<string, unknown>;
}

export interface SettingDefinition extends ValueType {
  /** What the setting is for, in one line. */
  readonly description: string;
  /** Never shown, never in a committed file. */
  readonly secret?: true;
  /** "tool": where the tool is and how it proceeds; no part of any release. */
  readonly scope?: "tool";
  /** It says which image runs: a rollback of the configuration alone keeps the present one. */
  readonly image?: true;
  /** `secrets init` can make one up. */
  readonly generated?: "password" | "key";
  /** Why one that was generated cannot be rotated, and the command of secrets to go on with. */
  readonly fixed?: readonly [why: string, next: "list" | "set"];
  /** The server reads it under this very name; the stack only passes it on. */
  readonly passed?: true;
  /** The environments that cannot do without. */
  readonly required?: readonly EnvironmentName[];
}

/** A table of declarations that remembers its names. */
export function defineSettings<Name extends string>(
  table: Record<Name, SettingDefinition>,
): Readonly<Record<Name, SettingDefinition>> {
  return table;
}
