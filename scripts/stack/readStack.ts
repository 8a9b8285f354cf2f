import { parse } from "yaml";
import { Problem } from "../common/problem.ts";
import { isMap, type Value, type ValueMap } from "./mergeSources.ts";
import { type LabelParts, labelStack, type Stack } from "./renderStack.ts";

/**
 * A release's compose.yaml read back, under the labels of the release it becomes.
 * @param file for the message
 * @throws Problem SOURCE_INVALID where it is not what was rendered
 */
export function readStack(text: string, file: string, parts: LabelParts): Stack {
  let model: unknown;
  try {
    model = parse(text, { version: "1.2", merge: false });
  } catch (error) {
    throw unreadable(file, (error as Error).message.split("\n")[0]!);
  }
  if (!isMap(model as Value) || !isMap((model as ValueMap)["services"])) {
    throw unreadable(file, "expected a rendered stack");
  }
  try {
    return labelStack(model as ValueMap, parts);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw unreadable(file, "expected a rendered stack", error);
  }
}

function unreadable(file: string, why: string, cause?: unknown): Problem {
  return new Problem("SOURCE_INVALID", `${file}: ${why}`, { next: "npm run releases", cause });
}
