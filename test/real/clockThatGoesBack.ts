/**
 * NODE_OPTIONS with which the time of day goes back by a day after a program's third look. It
 * stands for a clock that is set; what no setting moves (performance.now) is left as it is.
 */
export const clockThatGoesBack = `--import=data:text/javascript,${encodeURIComponent(`
  const Real = Date;
  let looks = 0;
  globalThis.Date = class extends Real {
    constructor(...given) {
      if (given.length > 0) super(...given);
      else super(Date.now());
    }
    static now() {
      return Real.now() - ((looks += 1) > 3 ? 86_400_000 : 0);
    }
  };`)}`;
