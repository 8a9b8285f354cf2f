import { join } from "node:path";
import { newestGood } from "../state/releases.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import { gate } from "../stack/proxyConfiguration.ts";
import { labels } from "../stack/renderStack.ts";
import { request } from "./request.ts";

export interface ServiceStatus {
  readonly role: string;
  readonly service: string;
  readonly image: string;
  /** The image's id: what really runs, whatever its tag says today. */
  readonly digest: string;
  readonly state: string;
  readonly health: string;
  /** What the server says of itself; of the others what their image's tag says. */
  readonly version: string | null;
  readonly release: string | null;
  /** The host it runs on; null where the stack has only one. */
  readonly node: string | null;
}

/** What the engine has of an environment now. */
export async function observeStatus(
  settings: Settings,
  context: Context,
): Promise<{ release: string | null; services: ServiceStatus[] }> {
  const observed = await context.engine.containers(settings.project);
  const good = newestGood(join(settings.stateDir, settings.environment));
  const server = observed.find((one) => one.service === "server" && one.state === "running");
  const version = server === undefined ? null : await serverVersion(server.id, context);
  const names = new Map(
    Object.values(good?.services ?? {}).map((one) => [one.imageId, one.name ?? one.image]),
  );
  const services = observed
    .filter((one) => one.service !== "")
    .sort((a, b) => (a.service < b.service ? -1 : 1))
    .map((one) => ({
      role: one.labels[labels.role] ?? one.service,
      service: one.service,
      image: names.get(one.imageId) ?? one.image,
      digest: one.imageId,
      state: one.state,
      health: one.health,
      version:
        one.service === "server" && one.state === "running"
          ? version
          : tagOf(names.get(one.imageId) ?? one.image),
      release: one.labels[labels.release] ?? null,
      node: null,
    }));
  return { release: services.length === 0 ? null : (good?.id ?? null), services };
}

/** Asked inside its container, as not every environment opens its port. */
async function serverVersion(id: string, context: Context): Promise<string | null> {
  const { port } = gate;
  try {
    const reply = await request(`http://127.0.0.1:${port}/v1/health/`, {
      timeoutMs: 1000,
      connection: await context.engine.connect(id, port),
      headers: { connection: "close" },
    });
    return (JSON.parse(reply.body) as { version?: string }).version ?? null;
  } catch {
    return null;
  }
}

function tagOf(image: string): string | null {
  if (image.startsWith("sha256:")) return null;
  const name = image.slice(image.lastIndexOf("/") + 1).split("@")[0]!;
  return name.includes(":") ? name.slice(name.indexOf(":") + 1) : null;
}
