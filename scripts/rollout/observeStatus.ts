import { join } from "node:path";
import { readReleases } from "../ledger/releases.ts";
import type { Settings } from "../settings/readSettings.ts";
import { labels } from "../stack/renderStack.ts";
import { request } from "../verification/request.ts";
import type { Tools } from "./tools.ts";

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
}

/** What the engine has of an environment now. */
export async function observeStatus(
  settings: Settings,
  tools: Tools,
): Promise<{ release: string | null; services: ServiceStatus[] }> {
  const [observed, version] = await Promise.all([
    tools.engine.containers(settings.project),
    serverVersion(settings),
  ]);
  const releases = readReleases(join(settings.stateDir, settings.environment));
  const services = observed
    .filter((one) => one.service !== "")
    .sort((a, b) => (a.service < b.service ? -1 : 1))
    .map((one) => ({
      role: one.labels[labels.role] ?? one.service,
      service: one.service,
      image: one.image,
      digest: one.imageId,
      state: one.state,
      health: one.health,
      version: one.service === "server" && one.state === "running" ? version : tagOf(one.image),
      release: one.labels[labels.release] ?? null,
    }));
  const good = releases.find((one) => one.outcome === "good")?.id ?? null;
  return { release: services.length === 0 ? null : good, services };
}

async function serverVersion(settings: Settings): Promise<string | null> {
  try {
    const reply = await request(`http://127.0.0.1:${settings.get("PORT")}/v1/health/`, {
      timeoutMs: 1000,
    });
    return (JSON.parse(reply.body) as { version?: string }).version ?? null;
  } catch {
    return null;
  }
}

function tagOf(image: string): string | null {
  const name = image.slice(image.lastIndexOf("/") + 1).split("@")[0]!;
  return name.includes(":") ? name.slice(name.indexOf(":") + 1) : null;
}
