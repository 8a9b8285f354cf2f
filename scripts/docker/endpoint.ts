import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Agent } from "node:http";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { Duplex } from "node:stream";
import { Problem } from "../common/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A client's side of TLS, as PEM. */
export interface ClientTls {
  readonly ca: Buffer;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** Which engine a command is about, for the daemon API and for the Compose CLI alike. */
export interface Endpoint {
  /** "unix:///var/run/docker.sock", "tcp://10.0.0.5:2376", "ssh://deploy@10.0.0.5:2222". */
  readonly address: string;
  /** The Docker context that names it. */
  readonly context: string | undefined;
  /** Undefined where TLS is not spoken. */
  readonly tls: ClientTls | undefined;
  /** What leads the Docker CLI to the same engine, over the process environment. */
  readonly variables: Environment;
}

const localSocket = "unix:///var/run/docker.sock";

/**
 * Finds the engine as the Docker CLI does: DOCKER_HOST, else DOCKER_CONTEXT, else the current
 * context, else the local socket (docker/cli, cli/command/cli.go: resolveContextName). What the
 * CLI would take and this tool does not is refused, never replaced by another engine.
 * @throws Problem USAGE
 */
export function endpoint(environment: Environment): Endpoint {
  const folder = environment["DOCKER_CONFIG"] || join(homedir(), ".docker");
  const host = environment["DOCKER_HOST"];
  if (host) return byVariables(normalise(host, "DOCKER_HOST"), environment, folder);
  const [context, origin] = environment["DOCKER_CONTEXT"]
    ? [environment["DOCKER_CONTEXT"], "DOCKER_CONTEXT"]
    : [currentContext(folder), join(folder, "config.json")];
  if (context && context !== "default") return byContext(context, origin, environment, folder);
  return byVariables(localSocket, environment, folder);
}

/**
 * Whether an engine may be on this host: only then are this host's disk and ports its own. What a
 * tcp:// or ssh:// address leads to is another host, or behind a tunnel.
 */
export function isOnThisHost(engine: { readonly endpoint: string }): boolean {
  return engine.endpoint.startsWith("unix://");
}

/** The first line of a plan: "engine: ssh://deploy@10.0.0.5 (context prod-server)". */
export function describeEngine(engine: {
  readonly endpoint: string;
  readonly context: string | undefined;
}): string {
  const context = engine.context === undefined ? "" : ` (context ${engine.context})`;
  return `engine: ${engine.endpoint}${context}`;
}

function byVariables(address: string, environment: Environment, folder: string): Endpoint {
  const isTcp = address.startsWith("tcp://");
  const certificates = environment["DOCKER_CERT_PATH"];
  assertTlsVerified(environment);
  const variables = { DOCKER_HOST: address, DOCKER_CONTEXT: undefined };
  if (environment["DOCKER_TLS_VERIFY"]) {
    if (!isTcp) {
      throw refusal(`DOCKER_TLS_VERIFY: expected a tcp:// address with it, got ${address}`, [
        "unset DOCKER_TLS_VERIFY, or set DOCKER_HOST=tcp://<host>:2376",
      ]);
    }
    const tls = readTls(certificates || folder, "DOCKER_TLS_VERIFY");
    return { address: withPort(address, 2376), context: undefined, tls, variables };
  }
  if (isTcp && certificates) {
    throw refusal("DOCKER_CERT_PATH is set and DOCKER_TLS_VERIFY is not: expected TLS", [
      "set DOCKER_TLS_VERIFY=1, or unset DOCKER_CERT_PATH",
    ]);
  }
  const plain = { address: withPort(address, 2375), context: undefined, tls: undefined, variables };
  assertEncrypted(plain.address, "DOCKER_HOST", "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH");
  return plain;
}

/** Docker keeps a context under the SHA-256 of its name: its description, and next to it its TLS files. */
function byContext(
  context: string,
  origin: string,
  environment: Environment,
  folder: string,
): Endpoint {
  const id = createHash("sha256").update(context).digest("hex");
  const file = join(folder, "contexts", "meta", id, "meta.json");
  if (!existsSync(file)) {
    throw refusal(`${origin}: expected a Docker context, got the unknown name ${context}`, [
      `known: ${["default", ...knownContexts(folder)].join(", ")}`,
    ]);
  }
  const { Endpoints: endpoints } = readJson(file) as ContextFile;
  const { Host: host, SkipTLSVerify: skips } = endpoints?.docker ?? {};
  if (!host) throw refusal(`context ${context}: expected an engine's address, got none`, [file]);
  const address = normalise(host, `context ${context}`);
  const variables = { DOCKER_HOST: undefined, DOCKER_CONTEXT: context };
  if (!address.startsWith("tcp://")) return { address, context, tls: undefined, variables };
  if (skips) throw unverified(`context ${context}`);
  const certificates = join(folder, "contexts", "tls", id, "docker");
  if (existsSync(certificates)) {
    const tls = readTls(certificates, `context ${context}`);
    return { address: withPort(address, 2376), context, tls, variables };
  }
  assertTlsVerified(environment);
  if (environment["DOCKER_TLS_VERIFY"]) {
    throw refusal(`DOCKER_TLS_VERIFY is set, and context ${context} has no certificates`, [
      `docker context update ${context} --docker host=${address},ca=…,cert=…,key=…`,
    ]);
  }
  const plain = { address: withPort(address, 2375), context, tls: undefined, variables };
  assertEncrypted(plain.address, `context ${context}`, "give the context its ca, cert and key");
  return plain;
}

interface ContextFile {
  readonly Name?: string;
  readonly Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
}

/** As docker/cli reads an address (opts/hosts.go), which takes one without a scheme for tcp. */
function normalise(host: string, origin: string): string {
  const text = host.trim();
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    if (path === "") return localSocket;
    if (isAbsolute(path)) return text;
    throw refusal(`${origin}: expected unix:// and an absolute path, got ${path}`);
  }
  const whole = text.includes("://") ? text : `tcp://${text}`;
  const url = URL.parse(whole.replace(/^tcp:\/\/:/u, "tcp://localhost:"));
  const expected = "expected unix://<path>, tcp://<host>:<port> or ssh://<user>@<host>:<port>";
  // What is not understood is not repeated: a password may stand in it.
  if (url === null) throw refusal(`${origin}: ${expected}`);
  const { protocol, hostname, username, password, port } = url;
  const isTcp = protocol === "tcp:";
  if (!isTcp && protocol !== "ssh:") {
    throw refusal(`${origin}: ${expected}, got one that begins with ${protocol}`);
  }
  if (password) throw refusal(`${origin}: expected no password in the address, got one`);
  if (isTcp && username) throw refusal(`${origin}: expected no user in a tcp:// address, got one`);
  if (hostname === "") throw refusal(`${origin}: ${expected}, got no host`);
  const rest = `${url.pathname.replace(/^\/$/u, "")}${url.search}${url.hash}`;
  if (rest !== "") {
    throw refusal(`${origin}: expected nothing behind host and port, got ${rest}`);
  }
  const user = username === "" ? "" : `${username}@`;
  return `${protocol}//${user}${hostname}${port === "" ? "" : `:${port}`}`;
}

function withPort(address: string, port: number): string {
  return address.startsWith("tcp://") && !/:\d+$/u.test(address) ? `${address}:${port}` : address;
}

/** Who reads plain HTTP on its way reads passwords, and who changes it commands the engine. */
function assertEncrypted(address: string, origin: string, remedy: string): void {
  if (!address.startsWith("tcp://")) return;
  const { hostname } = new URL(address);
  if (/^(localhost|127(\.\d+){3}|\[::1\])$/u.test(hostname)) return;
  throw refusal(`${origin}: expected TLS to ${address}, got plain HTTP`, [
    `${remedy}, or use ssh://<user>@${hostname}`,
  ]);
}

function assertTlsVerified(environment: Environment): void {
  if (environment["DOCKER_TLS"] && !environment["DOCKER_TLS_VERIFY"])
    throw unverified("DOCKER_TLS");
}

const unverified = (origin: string) =>
  refusal(`${origin}: expected the engine's certificate to be checked, got TLS without`, [
    "use DOCKER_TLS_VERIFY=1, or a context with a ca and without skip-tls-verify",
  ]);

/** As the CLI does: ca.pem is needed, cert.pem and key.pem where the engine asks for them. */
function readTls(folder: string, origin: string): ClientTls {
  const read = (name: string) => {
    const file = join(folder, name);
    try {
      return readFileSync(file);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      throw refusal(`${origin}: expected ${name} in ${folder}, got ${why}`, [
        "DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem",
      ]);
    }
  };
  const isClient = ["cert.pem", "key.pem"].some((name) => existsSync(join(folder, name)));
  const [cert, key] = isClient ? [read("cert.pem"), read("key.pem")] : [];
  return { ca: read("ca.pem"), cert, key };
}

function currentContext(folder: string): string | undefined {
  const file = join(folder, "config.json");
  return existsSync(file)
    ? (readJson(file) as { currentContext?: string }).currentContext
    : undefined;
}

function knownContexts(folder: string): string[] {
  const meta = join(folder, "contexts", "meta");
  if (!existsSync(meta)) return [];
  return readdirSync(meta)
    .flatMap((id) => {
      const file = join(meta, id, "meta.json");
      return existsSync(file) ? ((readJson(file) as ContextFile).Name ?? []) : [];
    })
    .sort();
}

function readJson(file: string): object {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as object;
  } catch (error) {
    throw refusal(`${file}: expected JSON that can be read, got ${(error as Error).message}`);
  }
}

function refusal(message: string, details: readonly string[] = []): Problem {
  return new Problem("USAGE", message, { details, next: "docker context ls" });
}

/** Of what ssh says: enough for its reason. */
const mostWords = 4096;

/**
 * Reaches an engine as the Docker CLI does (docker/cli, cli/connhelper): each connection is the
 * system's ssh that runs `docker system dial-stdio` over there, with the operator's own ssh
 * configuration, keys and known hosts. It asks for nothing: a key needs an agent.
 * @param address "ssh://deploy@10.0.0.5:2222"
 */
export function sshAgent(address: string, environment: Environment): Agent {
  const { hostname, username, port } = new URL(address);
  const user = username === "" ? [] : ["-l", decodeURIComponent(username)];
  const at = port === "" ? [] : ["-p", port];
  const there = ["--", hostname.replace(/^\[(.*)\]$/u, "$1"), "docker", "system", "dial-stdio"];
  const argv = ["-T", "-o", "ConnectTimeout=10", "-o", "BatchMode=yes", ...user, ...at, ...there];
  const agent = new Agent({ keepAlive: true });
  agent.createConnection = () => connection(address, argv, environment);
  return agent;
}

/** One ssh as a connection; the agent also asks what only a socket has. */
function connection(address: string, argv: readonly string[], environment: Environment): Duplex {
  const child = spawn("ssh", argv, { env: environment as NodeJS.ProcessEnv });
  const { stdin, stdout, stderr } = child;
  let words = "";
  const failed = (why: string, cause?: Error) =>
    new Problem("ENGINE_UNREACHABLE", `${address}: expected a Docker engine, got no connection`, {
      details: [why],
      next: `ssh ${argv.join(" ").replace("dial-stdio", "info")}`,
      cause,
    });
  const stream = new Duplex({
    read: () => stdout.resume(),
    // That it takes no more shows below, by its exit code and its own output.
    write: (chunk, _, done) => stdin.write(chunk, () => done()),
    final: (done) => stdin.end(() => done()),
    destroy(error, done) {
      child.kill();
      done(error);
    },
  });
  stdout.on("data", (chunk) => stream.push(chunk) || stdout.pause());
  stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (words = (words + text).slice(-mostWords)));
  stdin.on("error", () => undefined);
  child.once("error", (error) => stream.destroy(failed(error.message, error)));
  child.once("close", (code, signal) => {
    if (code === 0) stream.push(null);
    else stream.destroy(failed(words.trim() || `ssh ended with ${code ?? signal}`));
  });
  const parts = [child, stdin, stdout, stderr] as unknown as { ref(): void; unref(): void }[];
  return Object.assign(stream, {
    setKeepAlive: () => stream,
    setNoDelay: () => stream,
    setTimeout: () => stream,
    ref: () => parts.forEach((one) => one.ref()),
    unref: () => parts.forEach((one) => one.unref()),
  });
}
