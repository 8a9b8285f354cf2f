import { listComponents } from "../collector/listComponents.ts";
import { skipped, type Finding } from "../diagnosis/diagnose.ts";
import { diagnoseAdvisories } from "../diagnosis/diagnoseAdvisories.ts";
import { segmentReachesLoopback } from "../diagnosis/diagnoseLoopback.ts";
import { systemUser } from "../database/sql.ts";
import { chooseImage } from "../images/chooseImage.ts";
import { recipes } from "../images/recipes.ts";
import type { Tools } from "../parts/tools.ts";
import { imageQuestion } from "../preparation/chooseImages.ts";
import { prepareStack, type PreparedStack } from "../preparation/prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * The known faults of the versions in use, each with what keeps it harmless in the stack of now.
 * @param engineAnswers whether there is an engine to ask
 */
export async function examineAdvisories(
  settings: Settings,
  engineAnswers: Promise<boolean>,
  tools: Tools,
): Promise<Finding[]> {
  const prepared = preparedBy(settings);
  if (prepared === undefined) {
    return [{ name: "advisories", ...skipped("no stack can be made of these settings") }];
  }
  const { services } = prepared.stack;
  const exposure = {
    publishedAt: (service: string) =>
      (services.find((one) => one.name === service)?.ports ?? []).map((one) => one.host),
    segmentReaches: (await engineAnswers)
      ? segmentReachesLoopback((await tools.engine.versions()).engine)
      : true,
    asksForPassword: settings.get("SECURE") === "true",
    isMended: await isMended(settings, await engineAnswers, tools),
    components: listComponents(prepared.collector),
  };
  const explain = (name: string) => `npm run settings -- ${settings.environment} --explain ${name}`;
  const judge = (of: "collector" | "server" | "pgvector", version: string, setting: string) =>
    diagnoseAdvisories(of, version, exposure, explain(setting));
  const isBundled = services.some((one) => one.name === "postgres");
  return [
    ...judge("collector", settings.get("OTEL_VERSION"), "OTEL_VERSION"),
    ...judge("server", settings.get("LETTA_VERSION"), "SECURE"),
    ...(isBundled
      ? judge("pgvector", await pgvector(settings, await engineAnswers, tools), "POSTGRES_IMAGE")
      : []),
  ];
}

function preparedBy(settings: Settings): PreparedStack | undefined {
  try {
    return prepareStack(settings, { release: "000000" });
  } catch {
    return undefined; // the check of the stack tells why
  }
}

/**
 * Whether the collector that runs is the image that docker/collector makes now; where none runs,
 * whether the one to come would be.
 */
async function isMended(settings: Settings, answers: boolean, tools: Tools): Promise<boolean> {
  if (!answers) return settings.get("IMAGES") === "local";
  const all = recipes(settings.environment, settings.lookup);
  const collector = all.find((one) => one.role === "collector")!;
  const question = await imageQuestion(settings, collector, tools);
  const containers = await tools.engine.containers(settings.project);
  const runs = containers.find((one) => one.service === "collector" && one.state === "running");
  if (runs === undefined) return chooseImage(question).reference === question.local;
  return runs.imageId === (await tools.engine.image(question.local))?.id;
}

/**
 * The version that the running database has; otherwise what the tag of its image says, where that
 * image is pulled and not perhaps built here. "" where neither tells.
 */
async function pgvector(settings: Settings, answers: boolean, { engine }: Tools): Promise<string> {
  const containers = answers ? await engine.containers(settings.project) : [];
  const runs = containers.find((one) => one.service === "postgres" && one.state === "running");
  if (runs !== undefined) {
    const statement = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'";
    const [user, name] = [settings.get("LETTA_PG_USER"), settings.get("LETTA_PG_DB")];
    const asked = ["psql", "-X", "-q", "-A", "-t", "-U", user, "-d", name, "-c", statement];
    return (await engine.exec(runs.id, asked, { user: systemUser })).stdout.trim();
  }
  if (settings.get("IMAGES") !== "pull") return "";
  return /pgvector:(\d+\.\d+\.\d+)\b/.exec(settings.get("POSTGRES_IMAGE"))?.[1] ?? "";
}
