import { spawn } from "node:child_process";
import { Agent } from "node:http";
import { Duplex } from "node:stream";
import { Problem } from "../common/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

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
