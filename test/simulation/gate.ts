import type { World } from "./world.ts";

/** A pause as the proxy's files have it. */
interface Pause {
  readonly token: string;
  untilMs: number;
}

/** What the proxy does with requests: its files in /gate and their copy, as deploy/ writes them. */
export class Gate {
  readonly #world: World;
  #pause: Pause | undefined;
  /** Whether the pause is also in a file that outlives the proxy's container. */
  #isRetained = false;
  /** How many pauses there were. */
  pauses = 0;
  /** Requests that wait. */
  #waiting: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /**
   * Runs a script of the tool in the proxy.
   * @returns what it prints
   */
  run(script: string): string {
    const [, verb, what = "", seconds] =
      /^# (pause|renew|resume) (\S+)(?: (\d+))?/u.exec(script) ?? [];
    if (verb === "pause") return this.#begin(what, Number(seconds), true);
    if (verb === "renew") return this.#renew(what, Number(seconds));
    const held = /echo (\S+) > holding\.next/u.exec(script)?.[1];
    const until = /sleep (\d+)\n/u.exec(script)?.[1];
    if (verb === undefined && held !== undefined) return this.#begin(held, Number(until), false);
    if (verb === "resume" || script.includes("rm -f holding")) this.end();
    return "";
  }

  /** Ends a pause, anyone who began it: those that wait go on. */
  end(): void {
    this.#pause = undefined;
    this.#isRetained = false;
    for (const go of this.#waiting.splice(0)) this.#world.afterUnlessOff(1, go);
  }

  /** The proxy's container starts again: /gate is a tmpfs. */
  restart(): void {
    const isOn = this.#isRetained && this.#world.nowMs < (this.#pause?.untilMs ?? 0);
    if (isOn) this.#watch(this.#pause!);
    else this.end();
  }

  /** The machine went off: those that waited are gone too. */
  losePower(): void {
    this.#waiting = [];
  }

  /** Does something at once, or when the pause ends. */
  pass(work: () => void): void {
    if (this.isPaused) this.#waiting.push(work);
    else work();
  }

  #begin(token: string, seconds: number, isRetained: boolean): string {
    const replaced = this.#pause?.token ?? "";
    this.pauses += 1;
    const pause = { token, untilMs: this.#world.nowMs + seconds * 1000 };
    this.#pause = pause;
    this.#isRetained = isRetained;
    this.#watch(pause);
    return replaced;
  }

  #renew(token: string, seconds: number): string {
    if (this.#pause?.token !== token) return "ended";
    this.#pause.untilMs = this.#world.nowMs + seconds * 1000;
    return "paused";
  }

  #watch(pause: Pause): void {
    this.#world.afterUnlessOff(pause.untilMs - this.#world.nowMs, () => {
      if (this.#pause !== pause) return;
      if (this.#world.nowMs < pause.untilMs) return this.#watch(pause);
      this.#world.note("the pause has expired");
      this.end();
    });
  }
}
