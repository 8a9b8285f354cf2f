import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { root } from "../stack/exampleStack.ts";

export interface Target {
  readonly refId: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly editorType: string;
  readonly queryType: string;
  readonly format: number;
  readonly rawSql: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly gridPos: {
    readonly h: number;
    readonly w: number;
    readonly x: number;
    readonly y: number;
  };
  readonly targets: readonly Target[];
  readonly fieldConfig: {
    readonly defaults: { readonly unit?: string };
    readonly overrides: readonly {
      readonly matcher: { readonly id: string; readonly options: string };
      readonly properties: readonly { readonly id: string; readonly value: unknown }[];
    }[];
  };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly allValue?: string;
  readonly query: { readonly rawSql: string } | string;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly editable: boolean;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly target: Target }[];
  };
}

export interface AlertRule {
  readonly uid: string;
  readonly title: string;
  readonly dashboardUid: string;
  readonly panelId: number;
  readonly data: readonly {
    readonly refId: string;
    readonly datasourceUid: string;
    readonly model: {
      readonly rawSql?: string;
      readonly conditions?: readonly {
        readonly evaluator: { readonly type: string; readonly params: readonly number[] };
      }[];
    };
  }[];
}

const folder = join(root, "otel", "grafana");

/** The dashboards by the names of their files. */
export const dashboardFiles: ReadonlyMap<string, Dashboard> = new Map(
  readdirSync(join(folder, "dashboards"))
    .sort()
    .map((file) => [
      file,
      JSON.parse(readFileSync(join(folder, "dashboards", file), "utf8")) as Dashboard,
    ]),
);

const alertFile = parse(readFileSync(join(folder, "alerts", "collector.yaml"), "utf8")) as {
  readonly groups: readonly { readonly rules: readonly AlertRule[] }[];
};

export const alertRules: readonly AlertRule[] = alertFile.groups.flatMap(({ rules }) => rules);

export interface Query {
  /** Such as `server.json, panel "Requests"`. */
  readonly place: string;
  readonly kind:
    | "timeseries"
    | "table"
    | "stat"
    | "logs"
    | "traces"
    | "variable"
    | "annotation"
    | "alert";
  readonly sql: string;
}

/** Every query that Grafana would send, with the place where it stands. */
export const queries: readonly Query[] = [
  ...[...dashboardFiles].flatMap(([file, { panels, templating, annotations }]) => [
    ...panels.flatMap(({ title, type, targets }) =>
      targets.map(({ rawSql }) => ({
        place: `${file}, panel "${title}"`,
        kind: type as Query["kind"],
        sql: rawSql,
      })),
    ),
    ...templating.list.flatMap(({ name, query }) =>
      typeof query === "string"
        ? []
        : [{ place: `${file}, variable ${name}`, kind: "variable" as const, sql: query.rawSql }],
    ),
    ...annotations.list.map(({ name, target }) => ({
      place: `${file}, annotation "${name}"`,
      kind: "annotation" as const,
      sql: target.rawSql,
    })),
  ]),
  ...alertRules.flatMap(({ title, data }) =>
    data.flatMap(({ model }) =>
      model.rawSql === undefined
        ? []
        : [{ place: `alert "${title}"`, kind: "alert" as const, sql: model.rawSql }],
    ),
  ),
];
