import type { Engine } from "./engine.ts";

/**
 * The same engine, which nothing is asked of unless something holds: every call asks it first.
 * @param check throws where it holds no more
 */
export function fenced(engine: Engine, check: () => Promise<void>): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...given: unknown[]) => {
        await check();
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
}
