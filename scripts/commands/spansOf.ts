import {
  defaultTextMapGetter,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
} from "@opentelemetry/api";
import { millisToHrTime, W3CTraceContextPropagator } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { TracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace";
import type { StepParameters } from "../common/reporter.ts";
import { asProblem } from "./asProblem.ts";
import { guardParameters, guardText } from "./guardParameters.ts";
import type { TracedCommand } from "./traceCommand.ts";
import type { TracedStep } from "./traced.ts";

type Outcome = "done" | "failed" | "cancelled" | "unfinished";
type Hide = (text: string) => string;

/** Of a bug's stack. */
const longestStack = 4096;

/** Few commands are worth more than a share of them: no collector may sample these away. */
const retained = { "sampling.priority": 1 };

/**
 * Makes spans of a command and its steps, the command's own last.
 * @param version the tool's
 * @param above the span that this command runs for, as W3C headers
 * @returns nothing where the span above is not sampled
 */
export function spansOf(
  command: TracedCommand,
  project: string,
  version: string,
  above: { readonly traceparent: string; readonly tracestate: string },
): readonly ReadableSpan[] {
  const { input, result, error, exit, hide, ended, steps } = command;
  const spans: ReadableSpan[] = [];
  const gather = {
    onStart: () => undefined,
    onEnd: (span: ReadableSpan) => void spans.push(span),
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "letta-stack", "service.version": version }),
    spanProcessors: [gather],
  });
  const tracer = provider.getTracer("letta-stack", version);
  const parent = new W3CTraceContextPropagator().extract(ROOT_CONTEXT, above, defaultTextMapGetter);
  const failed: Outcome = command.cancelled ? "cancelled" : "failed";
  const outcome = exit === 0 ? "done" : failed;
  const { environment } = input;
  const facts = { command: command.command, project, outcome, exit_code: exit };
  const releases = { release: result?.["release"], from: result?.["from"] };
  const root = tracer.startSpan(
    command.command,
    {
      startTime: millisToHrTime(command.begun),
      attributes: {
        ...retained,
        "letta_stack.environment": environment,
        ...named("", { ...facts, ...releases }, hide),
        ...named("parameter.", { arguments: input.arguments.join(" "), ...input.options }, hide),
      },
    },
    parent,
  );
  const contexts = new Map<TracedStep | undefined, Context>();
  contexts.set(undefined, trace.setSpan(parent, root));
  for (const step of steps) {
    const span = tracer.startSpan(
      guardText(step.name, hide),
      {
        startTime: millisToHrTime(step.begun),
        attributes: {
          ...retained,
          "letta_stack.outcome": outcomeOf(step),
          ...(!step.detail ? {} : { "letta_stack.detail": guardText(step.detail, hide) }),
          ...named("parameter.", step.parameters, hide),
        },
      },
      contexts.get(step.within),
    );
    contexts.set(step, trace.setSpan(parent, span));
    const end = step.ended ?? ended;
    if (step.failed) record(span, step.error, end, hide);
    span.end(millisToHrTime(end));
  }
  if (error !== undefined) record(root, error, ended, hide);
  root.end(millisToHrTime(ended));
  return spans;
}

/** Parameters under the tool's own prefix. */
function named(prefix: string, parameters: StepParameters, hide: Hide) {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(guardParameters(parameters, hide))) {
    attributes[`letta_stack.${prefix}${name}`] = value;
  }
  return attributes;
}

function outcomeOf({ ended, failed, error }: TracedStep): Outcome {
  if (ended === undefined) return "unfinished";
  if (!failed) return "done";
  return asProblem(error)?.code === "INTERRUPTED" ? "cancelled" : "failed";
}

/** An exception as an event: a Problem by its code, a bug by its name and where it was. */
function record(span: Span, error: unknown, at: number, hide: Hide): void {
  const problem = asProblem(error);
  const { name = "Error", stack } = (error ?? {}) as Partial<Error>;
  const type = problem?.code ?? name;
  const message = guardText(problem?.message ?? String((error as Error)?.message ?? error), hide);
  const time = millisToHrTime(at);
  const where = problem || !stack ? {} : { stack: guardText(stack, hide, longestStack) };
  span.recordException({ name: type, message, ...where }, time);
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
