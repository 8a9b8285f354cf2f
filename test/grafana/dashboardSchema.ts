import type {
  AnnotationQuery,
  Dashboard,
  DataQuery,
  FieldConfigSource,
  Panel,
} from "@grafana/schema";
import type * as logs from "@grafana/schema/dist/types/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen.d.ts";
import type * as stat from "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as table from "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type * as timeseries from "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";

/** As JSON has it: a member of an enum is its value. */
type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends readonly (infer Item)[]
        ? Plain<Item>[]
        : { [Key in keyof T]: Plain<T[Key]> };

/** What the ClickHouse plugin reads of a query, after its src/types/sql.ts. */
interface Query extends DataQuery {
  datasource: { type: "grafana-clickhouse-datasource"; uid: string };
  editorType: "sql";
  queryType: "timeseries" | "table" | "logs" | "traces";
  format: 0 | 1 | 2 | 3;
  rawSql: string;
}

/** A panel with the options of its own kind, of which Grafana fills in what is left out. */
type PanelOf<Kind extends string, Options, Custom> = Omit<
  Panel,
  "type" | "targets" | "options" | "fieldConfig"
> & {
  type: Kind;
  targets: Query[];
  options: Partial<Options>;
  fieldConfig: {
    defaults: Omit<FieldConfigSource["defaults"], "custom"> & { custom?: Partial<Custom> };
    overrides: FieldConfigSource["overrides"];
  };
};

type AnyPanel =
  | PanelOf<"timeseries", timeseries.Options, timeseries.FieldConfig>
  | PanelOf<"stat", stat.Options, object>
  | PanelOf<"table", table.Options, table.FieldConfig>
  | PanelOf<"logs", logs.Options, object>
  | PanelOf<"traces", Record<string, never>, object>;

/** A dashboard as Grafana's own package of types describes it, down to each panel's options. */
export type DashboardSchema = Plain<
  Omit<Dashboard, "panels" | "annotations"> & {
    panels: AnyPanel[];
    annotations: { list: AnnotationQuery<Query>[] };
  }
>;
