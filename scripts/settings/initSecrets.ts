import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { declarations, type SettingName } from "./declarations.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { readLayer } from "./readLayer.ts";
import { refuseFaults } from "./refuseFaults.ts";
import { writeSecretFile } from "./writeSecretFile.ts";

export interface InitSecretsAsked {
  readonly environment: EnvironmentName;
  readonly root: string;
  /** What the shell sets beyond the files: with CLICKHOUSE=bundled there are more passwords. */
  readonly processEnvironment?: Readonly<Record<string, string | undefined>>;
  /** Cryptographic random bytes. */
  readonly random: (bytes: number) => Buffer;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const generatedLength = 40;

/**
 * Creates an environment's secrets file, or adds to it what it lacks: a made-up value for
 * every secret that can be made up. What the file says stays, comments included.
 * @returns the file, what was generated, and in `missing` what only a person can fill in
 * @throws Problem SETTINGS_INVALID when the file is there and cannot be read; it stays as it is
 */
export function initSecrets(asked: InitSecretsAsked): {
  file: string;
  created: boolean;
  generated: string[];
  missing: string[];
} {
  const { environment, root } = asked;
  const file = `env/${environment}.secrets.env`;
  const layer = readLayer(root, file);
  // Open to others or not, its text can be read; the one written in its place is 0600.
  const unreadable = layer.faults.filter((fault) => !fault.text.includes("; chmod 600 "));
  refuseFaults(environment, unreadable, [file]);

  const layers = gatherLayers(environment, root, asked.processEnvironment ?? {});
  const get = (name: SettingName) => layers.winner(name)?.value ?? "";
  const names = Object.keys(declarations) as SettingName[];
  const given = new Map(layer.assignments.map(({ name, value }) => [name, value]));
  const generated = names.filter(
    (name) => declarations[name].generated !== undefined && !given.has(name) && isOurs(name, get),
  );
  const missing = names.filter(
    (name) =>
      declarations[name].required?.includes(environment) && !generated.includes(name) && !get(name),
  );
  const result = { file, created: !layer.present, generated, missing };
  if (layer.present && generated.length === 0) return result;

  const path = layer.present ? realpathSync(join(root, file)) : join(root, file);
  const before = layer.present ? readFileSync(path, "utf8") : headOf(environment);
  const added = generated.map(
    (name) => `\n# ${declarations[name].about}\n${name}=${made(asked.random)}\n`,
  );
  const text = before + (before.endsWith("\n") ? "" : "\n") + added.join("");
  // Someone else may have created it since it was looked for: theirs is kept and added to.
  if (!writeSecretFile(path, text, layer.present)) return initSecrets(asked);
  return result;
}

/** Whether the part that a password belongs to is in the stack at all. */
function isOurs(name: SettingName, get: (name: SettingName) => string): boolean {
  if (name === "LETTA_PG_PASSWORD") return get("LETTA_PG_URI") === "";
  if (name.startsWith("CLICKHOUSE_")) return get("CLICKHOUSE") === "bundled";
  return !name.startsWith("GRAFANA_") || get("GRAFANA") === "true";
}

function headOf(environment: EnvironmentName): string {
  return (
    `# Secrets of ${environment}: not in git, readable by their owner alone. Keep a copy in a\n` +
    "# safe place. What else may stand here: env/secrets.example.env\n"
  );
}

/** Each letter and digit is as likely as any other: bytes past the last full round are dropped. */
function made(random: (bytes: number) => Buffer): string {
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < generatedLength) {
    for (const byte of random(generatedLength)) {
      if (byte < fair && text.length < generatedLength) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
