import { parseArgs } from "node:util";

/**
 * The numbers that a script is called with. Asked for help it gives that and ends with 0, wrongly
 * called with 2.
 * @param usage what --help says
 * @param usual the value of each option that is left out; all are whole numbers, at least 0
 * @returns the options, and the numbers that stand by themselves
 */
export function numberOptions<Name extends string>(
  usage: string,
  usual: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> & { readonly rest: readonly number[] } {
  const end = (code: number, text: string): never => {
    (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
    process.exit(code);
  };
  const names = Object.keys(usual) as Name[];
  const text = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: { ...text, help: { type: "boolean", short: "h" } },
    });
    const values: Readonly<Record<string, unknown>> = parsed.values;
    if (values["help"] === true) end(0, usage);
    const whole = (given: unknown, what: string) => {
      if (typeof given !== "string" || !/^\d+$/.test(given)) {
        throw new Error(`expected a whole number as ${what}, got ${String(given)}`);
      }
      return Number(given);
    };
    const chosen = names.map((name) => [
      name,
      values[name] === undefined ? usual[name] : whole(values[name], `--${name}`),
    ]);
    const rest = parsed.positionals.map((one) => whole(one, "argument"));
    return { ...(Object.fromEntries(chosen) as Record<Name, number>), rest };
  } catch (error) {
    return end(2, `${(error as Error).message}\n${usage}`);
  }
}
