import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Problem } from "../common/problem.ts";
import { checkStackRules } from "./stackRules.ts";
import type { Stack } from "./renderStack.ts";

/**
 * Judges a rendered stack against the compose-spec schema (as the docker-compose package
 * carries it) and the stack rules. The schema takes a quarter of a second to compile: call
 * this only for a stack that was not judged before.
 * @throws Problem STACK_INVALID with all findings
 */
export async function checkStack(stack: Stack): Promise<void> {
  const { Ajv } = await import("ajv");
  const validate = new Ajv({ strict: false, allErrors: true, logger: false }).compile(schema());
  const faults = checkStackRules(stack);
  if (!validate(stack.model)) {
    for (const error of validate.errors ?? []) {
      faults.push(`${error.instancePath.slice(1).replaceAll("/", ".")}: ${error.message ?? ""}`);
    }
  }
  if (faults.length > 0) {
    throw new Problem("STACK_INVALID", "the rendered stack breaks its rules", {
      details: [...new Set(faults)],
    });
  }
}

/** The schema names itself by an https address that ajv does not know as draft 7. */
function schema(): Record<string, unknown> {
  const entry = createRequire(import.meta.url).resolve("docker-compose");
  const file = join(dirname(entry), "..", "schema", "compose-spec.json");
  const read = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  return { ...read, $schema: "http://json-schema.org/draft-07/schema#" };
}
