/** NODE_OPTIONS under which a program's time of day is off by what the expression comes to. */
const clock = (offMs: string) =>
  `--import=data:text/javascript,${encodeURIComponent(`
  const Real = Date;
  let looks = 0;
  globalThis.Date = class extends Real {
    constructor(...given) {
      if (given.length > 0) super(...given);
      else super(Date.now());
    }
    static now() {
      looks += 1;
      return Real.now() + (${offMs});
    }
  };`)}`;

// They stand for a clock that is set, and for the tool on another machine than its engine; what no
// setting moves (performance.now) is left as it is.
const dayMs = 86_400_000;

/** It goes back by a day after a program's third look. */
export const clockThatGoesBack = clock(`looks > 3 ? ${-dayMs} : 0`);

/** It is ahead by so many days, or behind. */
export const clockOff = (days: number): string => clock(String(days * dayMs));
