import { registerHooks } from "node:module";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutants.ts";

/** What stands for what: modules of Node and packages by their names, others by their path in scripts/. */
const replaced = new Map(
  Object.entries({
    "node:fs": "fs",
    "node:fs/promises": "fsPromises",
    "node:os": "os",
    "node:timers/promises": "timersPromises",
    yaml: "yaml",
    "stack/composeConfiguration.ts": "composeConfiguration",
    "stack/readDelivery.ts": "readDelivery",
    "database/scramVerifier.ts": "scramVerifier",
    "docker/portHolder.ts": "portHolder",
    "docker/contentTag.ts": "contentTag",
    "state/askHolder.ts": "askHolder",
    "state/holdAddress.ts": "holdAddress",
    "state/release.ts": "release",
    "state/secretKey.ts": "secretKey",
    "deploy/prepareStack.ts": "prepareStack",
    "stack/readSources.ts": "readSources",
    "stack/readStack.ts": "readStack",
    "stack/rehearsalStack.ts": "rehearsalStack",
    "stack/checkStack.ts": "checkStack",
    "stack/withoutMigration.ts": "withoutMigration",
    "checks/request.ts": "request",
    "checks/verify.ts": "verify",
  }).map(([name, file]) => [name, import.meta.resolve(`./replaced/${file}.ts`)]),
);

const scripts = new URL("../../scripts/", import.meta.url);

/**
 * From here on, whatever in scripts/ is loaded gets simulated files, time, sockets and
 * requests; nothing in scripts/ knows of it. To be called before the first of it is loaded.
 * @param mutant a mistake that is made in one of its files
 */
export function replaceModules(mutant?: Mutant): void {
  const within = fileURLToPath(scripts);
  registerHooks({
    resolve(specifier, context, next) {
      const parent = context.parentURL ?? "";
      if (!parent.startsWith(scripts.href)) return next(specifier, context);
      const known = replaced.get(specifier);
      if (known !== undefined) return { url: known, shortCircuit: true };
      const found = next(specifier, context);
      if (!found.url.startsWith(scripts.href)) return found;
      const path = fileURLToPath(found.url).slice(within.length).replaceAll(sep, "/");
      const other = replaced.get(path);
      return other === undefined ? found : { ...found, url: other };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      if (mutant === undefined || url !== new URL(mutant.file, scripts).href) return loaded;
      const source = String(loaded.source);
      if (source.split(mutant.from).length !== 2) {
        throw new Error(`${mutant.file} has not once: ${mutant.from}`);
      }
      return { ...loaded, source: source.replace(mutant.from, () => mutant.to) };
    },
  });
}
