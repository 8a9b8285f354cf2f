import type { Engine } from "../docker/engine.ts";
import { settingDefinitions, type SettingName } from "../settings/settingDefinitions.ts";
import { valueType } from "../settings/defineSettings.ts";
import { failed, type Finding, passed, skipped } from "./check.ts";

interface ModelRequest {
  readonly name: SettingName;
  /** Below the setting's URL: what lists its models. */
  readonly path?: string;
  /** The setting of the key, and the header that carries it. */
  readonly key?: SettingName;
  readonly header?: string;
  readonly prefix?: string;
}

const openAi = {
  path: "/models",
  key: "OPENAI_API_KEY",
  header: "Authorization",
  prefix: "Bearer ",
};

/** How each provider is asked for its models, as Letta asks it; of the others any answer is one. */
const known: readonly ModelRequest[] = [
  { name: "OPENAI_BASE_URL", ...openAi },
  { name: "OPENAI_API_BASE", ...openAi },
  { name: "OLLAMA_BASE_URL", path: "/api/tags" },
  { name: "LMSTUDIO_BASE_URL", path: "/api/v0/models" },
  { name: "ANTHROPIC_BASE_URL", path: "/v1/models", key: "ANTHROPIC_API_KEY", header: "x-api-key" },
] as readonly ModelRequest[];

/** Settings that name a model provider's URL. */
const urls = (Object.keys(settingDefinitions) as SettingName[]).filter(
  (name) => settingDefinitions[name].expected === valueType.modelUrl.expected,
);

/**
 * Asks URLs and prints one line of JSON for each. Keys come from the server's own environment, so that
 * none stands in a command line; a redirect is an answer, and takes no key elsewhere.
 */
const script = `
import concurrent.futures, json, os, socket, ssl, sys, urllib.error, urllib.request

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

opener = urllib.request.build_opener(Stay)

def ask(one):
    key = os.environ.get(one.get("key", ""), "")
    headers = {"User-Agent": "letta-stack-doctor", "anthropic-version": "2023-06-01"}
    if key:
        headers[one["header"]] = one.get("prefix", "") + key
    try:
        request = urllib.request.Request(one["url"], headers=headers)
        with opener.open(request, timeout=6) as reply:
            return {"status": reply.status}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "key": bool(key)}
    except Exception as error:
        cause = getattr(error, "reason", error)
        kinds = (("name", socket.gaierror), ("tls", ssl.SSLError), ("refused", ConnectionRefusedError),
                 ("silent", TimeoutError))
        kind = next((kind for kind, of in kinds if isinstance(cause, of)), "other")
        return {"kind": kind, "words": str(cause) or type(cause).__name__}

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for answer in pool.map(ask, json.loads(sys.argv[1])):
        print(json.dumps(answer))
`;

type Answer =
  | { readonly status: number; readonly key?: boolean }
  | { readonly kind: "name" | "tls" | "refused" | "silent" | "other"; readonly words: string };

/**
 * Whether the server reaches each model provider whose URL is set: asked from its own container, with its
 * proxies, certificates and keys.
 * @param get a setting, "" where it is unset
 * @param server the container of a server that runs; undefined where there is none
 */
export async function checkModels(
  environment: string,
  get: (name: SettingName) => string,
  server: string | undefined,
  engine: Pick<Engine, "exec">,
): Promise<Finding[]> {
  const requests = urls
    .filter((name) => get(name) !== "")
    .map((name) => ({ ...(known.find((one) => one.name === name) ?? { name }) }));
  if (requests.length === 0) return [{ name: "models", ...skipped("no URL of a model is set") }];
  if (server === undefined) {
    return [{ name: "models", ...skipped("no server runs to ask from") }];
  }
  const asked = requests.map((one) => ({
    ...one,
    url: get(one.name).replace(/\/+$/u, "") + (one.path ?? ""),
  }));
  const argv = ["python3", "-I", "-c", script, JSON.stringify(asked)];
  const { code, stdout, stderr } = await engine.exec(server, argv);
  const lines = stdout.split("\n").filter(Boolean);
  if (code !== 0 || lines.length !== asked.length) {
    const words = stderr.trim().split("\n").at(-1) ?? "";
    return [{ name: "models", ...skipped(`the server's container cannot ask: ${words}`) }];
  }
  return asked.map((one, index) => {
    const next = `npm run settings -- ${environment} --explain ${one.name}`;
    const answer = JSON.parse(lines[index]!) as Answer;
    const fault = faultOf(answer, one, environment);
    const name = `model ${one.name}`;
    if (fault !== undefined) {
      return { name, ...failed(`${one.url} from the server's container: ${fault}`, next) };
    }
    return { name, ...passed(`${one.url} answers ${"status" in answer ? answer.status : ""}`) };
  });
}

/** @returns undefined where the provider answers as one that can be used */
function faultOf(
  answer: Answer,
  { key, url }: ModelRequest & { readonly url: string },
  environment: string,
) {
  if ("status" in answer) {
    const { status } = answer;
    if (status === 401 || status === 403) {
      return answer.key === true
        ? `it refuses the key of ${key} (${status})`
        : `it asks for a key (${status})${key ? `: npm run secrets -- set ${environment} ${key}` : ""}`;
    }
    return status >= 500 ? `it answers ${status}` : undefined;
  }
  const { kind, words } = answer;
  const onHost = new URL(url).hostname === "host.docker.internal";
  const causes = {
    name: "there is no host of that name",
    tls: "its certificate is not trusted, or it speaks no TLS; SSL_CERT_FILE names another authority",
    refused: `nothing listens there${onHost ? "; a model server on this machine has to listen on 0.0.0.0, not on 127.0.0.1" : ""}`,
    silent: "no answer came: a firewall swallows it, or the host is down",
    other: "",
  };
  return causes[kind] === "" ? words : `${causes[kind]} (${words})`;
}
