import { createHash } from "node:crypto";
import { isMap, type Value, type ValueMap } from "./mergeSources.ts";

/** A secret's keyed digest by its name; undefined for one that is not set. */
export type SecretDigest = (name: string) => string | undefined;

export interface ServiceDigest {
  /** Of all the service was rendered from, mounted configuration included. */
  readonly digest: string;
  /** Of the present values of the secrets it needs another container for; undefined where it names none. */
  readonly secrets: string | undefined;
}

/**
 * Postgres reads this file once, when it makes its data directory. A rotation changes the role's
 * password and the file in the running container, so neither needs another container.
 */
const readOnce = "secrets.postgres_password";

/**
 * What identifies each service's desired state. Order of keys does not matter; a
 * definition it refers to (configuration, network, volume, secret) counts as its own.
 * What only says how others wait for it (depends_on) does not count.
 */
export function digestServices(
  model: ValueMap,
  secretDigest: SecretDigest | undefined,
): Map<string, ServiceDigest> {
  const digests = new Map<string, ServiceDigest>();
  for (const [name, service] of Object.entries((model["services"] ?? {}) as ValueMap)) {
    if (!isMap(service)) continue;
    const { depends_on: _order, labels: _labels, ...own } = service;
    const definitions = referred(model, own);
    const { [readOnce]: _once, ...others } = definitions;
    const names = [...new Set(secretNames(canonical({ own, ...others })))].sort();
    const values = names.map((secret) => `${secret}=${secretDigest?.(secret) ?? ""}`);
    const secrets = secretDigest && names.length > 0 ? sha256(values.join("\n")) : undefined;
    digests.set(name, { digest: sha256(canonical({ own, ...definitions })), secrets });
  }
  return digests;
}

/** The definitions at the top of the model that a service's own lists and maps name. */
function referred(model: ValueMap, service: ValueMap): ValueMap {
  const found: ValueMap = {};
  for (const kind of ["configs", "networks", "secrets", "volumes"]) {
    const definitions = model[kind];
    if (!isMap(definitions)) continue;
    const text = JSON.stringify(service[kind] ?? null);
    for (const [name, definition] of Object.entries(definitions)) {
      if (new RegExp(`"${name}["/:]`).test(text)) found[`${kind}.${name}`] = definition;
    }
  }
  return found;
}

function secretNames(text: string): string[] {
  const inValues = [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map((match) => match[1]!);
  const asFiles = [...text.matchAll(/"environment":"([A-Z][A-Z0-9_]*)"/g)].map(
    (match) => match[1]!,
  );
  return [...inValues, ...asFiles];
}

function canonical(value: Value): string {
  return JSON.stringify(value, (_key, inner: Value) =>
    isMap(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
