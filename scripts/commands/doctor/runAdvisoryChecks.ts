import { listComponents } from "../../stack/listComponents.ts";
import { skipped, type Finding } from "../../checks/runCheck.ts";
import { checkAdvisories } from "../../checks/checkAdvisories.ts";
import { segmentReachesLoopback } from "../../checks/diagnoseLoopback.ts";
import { systemUser } from "../../database/sql.ts";
import { chooseImage } from "../../docker/chooseImage.ts";
import { recipes } from "../../docker/recipes.ts";
import type { Context } from "../../state/context.ts";
import { imageQuestion } from "../../deploy/chooseImages.ts";
import { prepareStack, type PreparedStack } from "../../deploy/prepareStack.ts";
import type { Settings } from "../../settings/readSettings.ts";

/**
 * The known faults of the versions in use, each with what keeps it harmless in the stack of now.
 * @param engineAnswers whether there is an engine to ask
 */
export async function runAdvisoryChecks(
  settings: Settings,
  engineAnswers: Promise<boolean>,
  context: Context,
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
      ? segmentReachesLoopback((await context.engine.versions()).engine)
      : true,
    asksForPassword: settings.get("SECURE") === "true",
    isQuarantined: await isQuarantined(settings, await engineAnswers, context),
    components: listComponents(prepared.collector),
  };
  const explain = (name: string) => `npm run settings -- ${settings.environment} --explain ${name}`;
  const judge = (of: "collector" | "server" | "pgvector", version: string, setting: string) =>
    checkAdvisories(of, version, exposure, explain(setting));
  const isBundled = services.some((one) => one.name === "postgres");
  return [
    ...judge("collector", settings.get("OTEL_VERSION"), "OTEL_VERSION"),
    ...judge("server", settings.get("LETTA_VERSION"), "SECURE"),
    ...(isBundled
      ? judge("pgvector", await pgvector(settings, await engineAnswers, context), "POSTGRES_IMAGE")
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
async function isQuarantined(
  settings: Settings,
  answers: boolean,
  context: Context,
): Promise<boolean> {
  if (!answers) return settings.get("IMAGE_SOURCE") === "local";
  const all = recipes(settings.environment, settings.lookup);
  const collector = all.find((one) => one.role === "collector")!;
  const question = await imageQuestion(settings, collector, context);
  const containers = await context.engine.containers(settings.project);
  const runs = containers.find((one) => one.service === "collector" && one.state === "running");
  if (runs === undefined) return chooseImage(question).reference === question.local;
  return runs.imageId === (await context.engine.image(question.local))?.id;
}

/**
 * The version that the running database has; otherwise what the tag of its image says, where that
 * image is pulled and not perhaps built here. "" where neither tells.
 */
async function pgvector(
  settings: Settings,
  answers: boolean,
  { engine }: Context,
): Promise<string> {
  const containers = answers ? await engine.containers(settings.project) : [];
  const runs = containers.find((one) => one.service === "postgres" && one.state === "running");
  if (runs !== undefined) {
    const statement = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'";
    const [user, name] = [settings.get("LETTA_PG_USER"), settings.get("LETTA_PG_DB")];
    const input = ["psql", "-X", "-q", "-A", "-t", "-U", user, "-d", name, "-c", statement];
    return (await engine.exec(runs.id, input, { user: systemUser })).stdout.trim();
  }
  if (settings.get("IMAGE_SOURCE") !== "pull") return "";
  return /pgvector:(\d+\.\d+\.\d+)\b/.exec(settings.get("POSTGRES_IMAGE"))?.[1] ?? "";
}
