import type { Stack } from "../../stack/renderStack.ts";
import type { Expectation } from "../../checks/expectation.ts";
import type { ObservedContainer } from "../../docker/engine.ts";
import type { Settings } from "../../settings/readSettings.ts";
/** What the checks of running telemetry look at. */
export interface TelemetryScene extends Promised {
  readonly settings: Settings;
  readonly containers: readonly ObservedContainer[];
  readonly redact: (text: string) => string;
  /** Commands to go on with. */
  readonly next: {
    readonly bringUp: string;
    readonly verify: string;
    readonly logs: (service: string) => string;
    readonly explain: (setting: string) => string;
  };
}

/** A machine as Node calls it: process.platform and process.arch. */
export interface Machine {
  readonly system: string;
  readonly arch: string;
}

/** What the settings of now promise of telemetry. */
export interface Promised {
  readonly stack: Stack;
  readonly expected: Expectation;
  /** A certificate (PEM) that is trusted too. */
  readonly caCertificate: string | undefined;
}
