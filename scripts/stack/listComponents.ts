import { parse } from "yaml";

const kinds = ["extensions", "receivers", "processors", "exporters", "connectors"] as const;

/**
 * The types of all components that a configuration has, each once and sorted: "otlp/signoz" is
 * one of type otlp.
 * @param text YAML as composeConfiguration made it
 */
export function listComponents(text: string): string[] {
  const configuration = (parse(text, { version: "1.1" }) ?? {}) as Record<string, object | null>;
  const names = kinds.flatMap((kind) => Object.keys(configuration[kind] ?? {}));
  return [...new Set(names.map((name) => name.split("/")[0]!))].sort();
}
