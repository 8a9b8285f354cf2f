/** How long a step took and how it ended, for the summary and for --json. */
export interface StepRecord {
  readonly name: string;
  readonly seconds: number;
  readonly outcome: "done" | "failed";
}

/** What a step works on, by name: for readers of a rollout's trace. */
export type StepParameters = Readonly<Record<string, unknown>>;

/** What a rollout tells as it goes, and what it asks. The terminal stands behind it. */
export interface Reporter {
  readonly steps: readonly StepRecord[];
  /** Runs one step of the story: shown while it runs, one line when it is done. */
  step<Result>(
    name: string,
    work: (report: (text: string) => void) => Promise<Result>,
    outcome?: (result: Result) => string,
    parameters?: StepParameters,
  ): Promise<Result>;
  note(text: string): void;
  /**
   * Asks before something is changed.
   * @param flag what answers it beforehand, where --yes does not: such as "--end-sessions"
   * @throws Problem CONFIRMATION_NEEDED without a terminal and without --yes, DECLINED on a no
   */
  confirm(question: string, lines: readonly string[], flag?: string): Promise<void>;
}
