import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The Compose files a stack is made of, lowest first. */
export interface Parts {
  readonly sources: readonly string[];
  readonly library: readonly string[];
}

/** Which of the parts that may be left out, or stand outside, are in the stack. */
export interface Choice {
  /** LETTA_PG_URI names a database outside. */
  readonly externalDatabase: boolean;
  /** Requests come through the proxy. */
  readonly proxy: boolean;
  /** The proxy has a certificate of one's own. */
  readonly certificate: boolean;
  /** Where ClickHouse runs, if telemetry goes there. */
  readonly clickHouse: "bundled" | "external" | undefined;
  readonly grafana: boolean;
  /** Exporters trust one more CA. */
  readonly caCertificate: boolean;
}

/** Which files of compose/ make up an environment's stack. */
export function chooseFragments(environment: string, choice: Choice): Parts {
  const local = environment === "dev" || environment === "development";
  const bundled = local ? ["postgres", "postgres-open"] : ["postgres"];
  const names = [
    "server",
    ...(choice.externalDatabase ? ["database"] : bundled),
    "collector",
    ...(choice.caCertificate ? ["collector-ca"] : []),
    ...(choice.clickHouse ? ["clickhouse-reader"] : []),
    ...(choice.clickHouse === "bundled" ? ["clickhouse"] : []),
    ...(choice.grafana ? ["grafana"] : []),
    ...(choice.proxy ? ["proxy"] : []),
    ...(choice.proxy && choice.certificate ? ["proxy-certificate"] : []),
    environment,
  ];
  return { sources: names.map((name) => `compose/${name}.yaml`), library: ["compose/common.yaml"] };
}

/** The settings that name images in these files: what has to be on the engine. */
export function neededImages(root: string, parts: Parts): string[] {
  const found = parts.sources.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^\s+image: \$\{([A-Z_]+)\}$/gm)].map(
      (match) => match[1]!,
    ),
  );
  return [...new Set(found)];
}
