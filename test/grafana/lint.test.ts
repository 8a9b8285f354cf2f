// What a dashboard linter looks for, where it has a meaning here: Grafana's own one knows only
// Prometheus and Loki.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Dashboard, dashboardFiles, type Panel } from "./dashboardFiles.ts";

interface Rule {
  readonly about: string;
  /** One line for each breach. */
  readonly judge: (dashboard: Dashboard) => string[];
}

const texts = (dashboard: Dashboard) => JSON.stringify(dashboard);
const uids = [...dashboardFiles.values()].map(({ uid }) => uid);
const perPanel = (found: (panel: Panel) => boolean) => (dashboard: Dashboard) =>
  dashboard.panels.filter(found).map(({ title }) => title);

const overlaps = (one: Panel["gridPos"], other: Panel["gridPos"]) =>
  one.x < other.x + other.w &&
  other.x < one.x + one.w &&
  one.y < other.y + other.h &&
  other.y < one.y + one.h;

const rules: readonly Rule[] = [
  {
    about: "says of each panel what it shows",
    judge: perPanel(
      ({ title, description }) => title === "" || !/\w.*[.:]/.test(description ?? ""),
    ),
  },
  {
    about: "has a unit for each graph and each number",
    judge: perPanel(
      ({ type, fieldConfig }) =>
        ["timeseries", "stat"].includes(type) && (fieldConfig.defaults.unit ?? "") === "",
    ),
  },
  {
    about: "asks the provisioned data source, and asks something",
    judge: perPanel(
      ({ targets }) =>
        targets.length === 0 || targets.some(({ datasource }) => datasource.uid !== "clickhouse"),
    ),
  },
  {
    about: "tells its panels and their queries apart",
    judge: ({ panels }) => [
      ...doubles(panels.map(({ id }) => String(id))),
      ...doubles(panels.map(({ title }) => title)),
      ...panels.flatMap(({ targets }) => doubles(targets.map(({ refId }) => refId))),
    ],
  },
  {
    about: "lays its panels side by side and within the grid",
    judge: ({ panels }) =>
      panels.flatMap((panel, index) => [
        ...(panel.gridPos.x + panel.gridPos.w > 24 ? [`${panel.title} is too wide`] : []),
        ...panels
          .slice(index + 1)
          .filter((other) => overlaps(panel.gridPos, other.gridPos))
          .map((other) => `${panel.title} is over ${other.title}`),
      ]),
  },
  {
    about: "declares the variables that it uses, and uses those that it declares",
    judge: (dashboard) => {
      const used = [...texts(dashboard).matchAll(/\$\{(\w+)(?::\w+)?\}/g)].map((one) => one[1]!);
      const declared = dashboard.templating.list.map(({ name }) => name);
      return [
        ...used.filter((name) => !name.startsWith("__") && !declared.includes(name)),
        ...declared.filter((name) => !used.includes(name)),
      ];
    },
  },
  {
    about: "puts what is chosen into quotes",
    judge: (dashboard) => {
      const sql = dashboard.panels.flatMap(({ targets }) => targets.map(({ rawSql }) => rawSql));
      const bare = sql.flatMap((text) => text.match(/\$\{\w+(?!\w|:sqlstring\})[^}]*\}/g) ?? []);
      const without = dashboard.templating.list.filter(
        ({ type, allValue }) => type === "query" && allValue !== "'%'",
      );
      return [...bare, ...without.map(({ name }) => `${name}: All is not quoted`)];
    },
  },
  {
    about: "links only to dashboards that there are",
    judge: (dashboard) =>
      [...texts(dashboard).matchAll(/"\/d\/([\w-]+)/g)]
        .map((one) => one[1]!)
        .filter((uid) => !uids.includes(uid)),
  },
  {
    about: "gives units and links only to columns that there are",
    judge: ({ panels }) =>
      panels.flatMap(({ title, fieldConfig, targets }) =>
        fieldConfig.overrides
          .map(({ matcher }) => matcher.options)
          .filter((name) => !targets.some(({ rawSql }) => new RegExp(`AS ${name}\\b`).test(rawSql)))
          .map((name) => `${title}: ${name}`),
      ),
  },
  {
    about: "is changed in its file only",
    judge: ({ editable }) => (editable ? ["editable"] : []),
  },
  {
    about: "marks the deploys",
    judge: ({ annotations }) =>
      annotations.list.some(({ name }) => name === "Deploys") ? [] : ["no deploys"],
  },
];

function doubles(among: readonly string[]): string[] {
  return among.filter((one, index) => among.indexOf(one) !== index);
}

for (const [file, dashboard] of dashboardFiles) {
  for (const { about, judge } of rules) {
    test(`${file} ${about}`, () => {
      assert.deepEqual(judge(dashboard), []);
    });
  }
}

test("a dashboard's file is named for its uid, by which others link to it", () => {
  assert.deepEqual(
    [...dashboardFiles].map(([file, { uid }]) => [file, uid]),
    [...dashboardFiles].map(([file]) => [file, `letta-${file.replace(".json", "")}`]),
  );
});

/** A dashboard that breaks each rule, so that none is a rule that nothing can break. */
const broken: readonly [about: string, from: RegExp, to: string][] = [
  ["says of each panel what it shows", /"description":"By outcome[^"]*"/, '"description":""'],
  ["has a unit for each graph and each number", /"unit":"reqps"/, '"unit":""'],
  [
    "asks the provisioned data source, and asks something",
    /"uid":"clickhouse"},"editorType"/,
    '"uid":"other"},"editorType"',
  ],
  ["tells its panels and their queries apart", /"id":2,/, '"id":1,'],
  ["lays its panels side by side and within the grid", /"x":12/, '"x":11'],
  [
    "declares the variables that it uses, and uses those that it declares",
    /"name":"environment"/,
    '"name":"stage"',
  ],
  ["puts what is chosen into quotes", /\$\{environment:sqlstring\}/, "${environment}"],
  ["links only to dashboards that there are", /\/d\/letta-agent/, "/d/letta-agents"],
  ["gives units and links only to columns that there are", /"options":"p50"/, '"options":"p51"'],
  ["is changed in its file only", /"editable":false/, '"editable":true'],
  ["marks the deploys", /"name":"Deploys"/, '"name":"Other"'],
];

test("every rule can be broken", () => {
  assert.deepEqual(
    broken.map(([about]) => about),
    rules.map(({ about }) => about),
  );
});

for (const [about, from, to] of broken) {
  test(`a dashboard is found out that no longer ${about}`, () => {
    // The first panel's own, not the annotation's before it.
    const { panels, ...rest } = dashboardFiles.get("server.json")!;
    const text = JSON.stringify({ panels, ...rest });
    const changed = text.replace(from, () => to);
    assert.notEqual(changed, text);
    const rule = rules.find((one) => one.about === about)!;
    assert.notDeepEqual(rule.judge(JSON.parse(changed) as Dashboard), []);
  });
}
