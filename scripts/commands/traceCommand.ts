import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Attributes,
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { ExportResultCode, millisToHrTime, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { type ReadableSpan, TracerProvider } from "@opentelemetry/sdk-trace";
import type { StepParameters } from "../common/reporter.ts";
import type { Settings } from "../settings/readSettings.ts";
import { asProblem, type CommandInput } from "./commandDefinition.ts";

/** A step as it happened, for its span. */
export interface TracedStep {
  readonly name: string;
  /** The step within which it ran. */
  readonly within: TracedStep | undefined;
  readonly parameters: StepParameters;
  /** Milliseconds since 1970. */
  readonly begun: number;
  /** Missing where it had not ended when the command did. */
  ended?: number;
  failed: boolean;
  /** What it threw, where it failed. */
  error?: unknown;
  /** Its result in a line. */
  detail?: string;
}

/** How a command ended. */
export interface Ending {
  readonly input: CommandInput;
  /** Undefined where it did not come to read them: then nothing is traced. */
  readonly settings: Settings | undefined;
  readonly exit: number;
  /** What it gave back for --json. */
  readonly result?: Readonly<Record<string, unknown>>;
  /** What it threw. */
  readonly error?: unknown;
  readonly hide: (text: string) => string;
}

export interface Trace {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Where it goes, as host and port. */
  readonly target: string;
  /**
   * Sends it, within a second; never throws.
   * @returns undefined where it was taken, else why it was not
   */
  send(): Promise<string | undefined>;
}

/** Less than the exporter's first pause before it tries again (0.8 s at the least): it never does. */
const answerMs = 750;
/** Whatever the other side does; the rest of the second is for loading the SDK. */
const limitMs = 900;

/**
 * Sends spans by OTLP over HTTP, once. Never throws, and never takes longer than 0.9 s; what is
 * given up may still hold a socket.
 * @param base such as http://127.0.0.1:4318
 * @returns undefined where they were taken, else why not
 */
export async function sendSpans(
  spans: readonly ReadableSpan[],
  base: string,
): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const url = `${base.replace(/\/+$/, "")}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, timeoutMillis: answerMs });
    const sent = new Promise<string | undefined>((resolve) =>
      exporter.export([...spans], ({ code, error }) =>
        resolve(code === ExportResultCode.SUCCESS ? undefined : reported(error)),
      ),
    );
    const tooLate = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${limitMs} ms`), limitMs);
    });
    return await Promise.race([sent, tooLate]);
  } catch (error) {
    return reported(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Node tells of several addresses at once without a message. */
function reported(error: unknown): string {
  const { message, code } = (error ?? {}) as { message?: string; code?: string | number };
  return message || String(code ?? "refused");
}

/** A command with all its steps, when it has ended. */
export interface TracedCommand extends Ending {
  /** Such as "deploy". */
  readonly command: string;
  /** Milliseconds since 1970. */
  readonly begun: number;
  readonly ended: number;
  readonly steps: readonly TracedStep[];
  /** Whether Ctrl-C was pressed. */
  readonly cancelled: boolean;
}

/**
 * Makes a command's trace. It goes to OTEL_EXPORTER_OTLP_ENDPOINT, or to the environment's own
 * collector, and hangs below the span that TRACEPARENT names.
 * @returns undefined where there is none: nothing was set up, OTEL_SDK_DISABLED is true, or the
 *   span above is not sampled
 */
export function traceCommand(command: TracedCommand): Trace | undefined {
  const { settings, input } = command;
  if (settings === undefined || process.env["OTEL_SDK_DISABLED"] === "true") return undefined;
  const manifest = readFileSync(join(input.root, "package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate } = process.env;
  const above = { traceparent: traceparent ?? "", tracestate: tracestate ?? "" };
  const spans = spansOf(command, settings.project, version, above);
  const id = spans[0]?.spanContext().traceId;
  if (id === undefined) return undefined;
  const base =
    settings.get("OTEL_EXPORTER_OTLP_ENDPOINT") ||
    `http://127.0.0.1:${settings.get("OTEL_HTTP_PORT")}`;
  return { id, target: new URL(base).host, send: () => sendSpans(spans, base) };
}

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
function spansOf(
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

/** What an attribute of a span may be. */
type Shown = string | number | boolean;

/** Names, in small letters without their `_`, whose values are left out: secrets, and bulk. */
const secret =
  /pass(word|wd|phrase)|secret|token|credential|authori[sz]ation|cookie|pguri|dsn|(api|access|private|ingestion|encryption)key/;
const bulk = new Set(
  (
    "agentstate messages content contents sourcecode embedding embeddings body data document dump env " +
    "environment logs output processenvironment rows script settings sql stderr stdout text"
  ).split(" "),
);

const longest = 1024;
const longestOfAll = 8 * longest;
/** Beyond this a value is not even looked through. */
const mostCharacters = 1_000_000;
const mostParts = 10_000;

/**
 * Makes parameters fit for a span: names that may hold secrets or bulk are left out, at any
 * depth, and so is what is null; texts go through `hide` before they are cut, so that no half of a secret stays; what
 * cannot be serialised becomes a marker. Never throws.
 * @returns attributes by name; a cut one ends with its whole length
 */
export function guardParameters(
  parameters: StepParameters,
  hide: (text: string) => string,
): Readonly<Record<string, Shown>> {
  const shown: Record<string, Shown> = {};
  let left = longestOfAll;
  for (const name of namesOf(parameters)) {
    if (isLeftOut(name)) continue;
    try {
      const value = show(parameters[name], hide, Math.min(longest, left));
      if (value === undefined) continue;
      left = Math.max(0, left - String(value).length);
      shown[name] = value;
    } catch {
      shown[name] = "<cannot be serialised>";
    }
  }
  return shown;
}

/**
 * Hides and cuts one text, for all that goes into a span.
 * @param most characters that stay
 */
export function guardText(text: string, hide: (text: string) => string, most = longest): string {
  if (text.length > mostCharacters) return `<${text.length} characters>`;
  const hidden = hide(text);
  if (hidden.length <= most) return hidden;
  return `${hidden.slice(0, most).toWellFormed()}… (${hidden.length} characters)`;
}

function namesOf(parameters: StepParameters): string[] {
  try {
    return Object.keys(parameters);
  } catch {
    return [];
  }
}

function isLeftOut(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[^a-z]/g, "");
  return bulk.has(plain) || secret.test(plain);
}

function show(value: unknown, hide: (text: string) => string, most: number): Shown | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean" || Number.isFinite(value)) return value as Shown;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return guardText(value, hide, most);
  let parts = 0;
  const text = JSON.stringify(value, function (this: Record<string, unknown>, name, part: unknown) {
    parts += 1;
    if (parts > mostParts) throw new RangeError("too many parts");
    if (isLeftOut(name)) return undefined;
    // Bytes would become numbers, in which a secret is no longer recognised.
    const whole = this[name];
    if (ArrayBuffer.isView(whole)) return `<${whole.byteLength} bytes>`;
    return typeof part === "string" ? guardText(part, hide) : part;
  }) as string | undefined;
  return text === undefined ? `<${typeof value}>` : guardText(text, hide, most);
}
