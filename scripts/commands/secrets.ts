import type { Answer, CommandInput } from "./commandDefinition.ts";
import { command } from "./command.ts";
import type { Terminal } from "./terminal.ts";
import type { SecretsPlace } from "../settings/secretsFile.ts";

interface Work {
  readonly input: CommandInput;
  readonly place: SecretsPlace;
  /** "2026-11-21" */
  readonly day: string;
  readonly name: string;
  readonly terminal: Terminal;
}

const actions = { init, seal, edit, set, list, rotate };

await command({
  name: "secrets",
  description:
    "Secrets at rest: create their file with generated values, seal it with a key file (age), change, list and rotate them.",
  environment: "second",
  arguments: [
    ["<action>", "init, seal, edit, set, list, rotate"],
    ["[name...]", "set, rotate: which secret; a value comes from standard input or is asked for"],
  ],
  flags: ["yes"],
  examples: [
    "npm run secrets -- init prod                      create env/prod.secrets.env, or add to it",
    "npm run secrets -- seal prod                      make it env/prod.secrets.env.age",
    "npm run secrets -- edit prod                      in an editor, on a copy in memory",
    "npm run secrets -- set prod DD_API_KEY < key      one value, never in the command line",
    "npm run secrets -- list prod                      names and ages",
    "npm run secrets -- rotate prod LETTA_PG_PASSWORD  a new one, in the live database too",
  ],
  async act(input, terminal) {
    const { Problem } = await import("../common/problem.ts");
    // All words are taken: a user who writes a value among them must not read it in a refusal.
    const [action = "", name = "", ...more] = input.arguments;
    const work = Object.hasOwn(actions, action)
      ? actions[action as keyof typeof actions]
      : undefined;
    if (work === undefined) {
      const known = Object.keys(actions).join(", ");
      throw new Problem("USAGE", `expected ${known}, got ${JSON.stringify(action)}`);
    }
    if (more.length > 0) {
      throw new Problem("USAGE", `${action}: expected nothing after the name, got a word more`, {
        next: "the same command without it: a value comes from standard input",
      });
    }
    const { environment, root } = input;
    const isNamed = action === "set" || action === "rotate";
    if (isNamed !== (name !== "")) {
      const got = isNamed ? "none" : "one";
      throw new Problem("USAGE", `${action}: expected ${isNamed ? "a" : "no"} name, got ${got}`, {
        next: `npm run secrets -- list ${environment}`,
      });
    }
    const [{ countedEnvironment }, { noteIgnored }] = await Promise.all([
      import("../settings/gatherLayers.ts"),
      import("./commandDefinition.ts"),
    ]);
    const { counted, ignored } = countedEnvironment(environment, process.env, input.fromEnv);
    // A rotation reads all settings, which tells it.
    if (action !== "rotate") noteIgnored(ignored, terminal);
    if (action === "init" && ignored.includes("LETTA_PG_URI")) {
      throw new Problem(
        "USAGE",
        "init: LETTA_PG_URI is in the process environment and does not count: a password for the bundled database would be made",
        { next: "the same command with --from-env LETTA_PG_URI, or LETTA_PG_URI unset" },
      );
    }
    const place = { environment, root, processEnvironment: counted };
    const day = new Date().toISOString().slice(0, 10);
    return work({ input, place, day, name, terminal });
  },
});

async function init({ input, place, day }: Work): Promise<Answer> {
  const { initSecrets } = await import("../settings/secrets.ts");
  const { randomBytes } = await import("node:crypto");
  const made = await initSecrets({ ...place, random: randomBytes, day });
  const generated =
    made.generated.length === 0 ? "nothing to generate" : `generated ${made.generated.join(", ")}`;
  const missing = made.missing.map((one) => `  to be filled in by you: ${one}\n`).join("");
  const { environment } = input;
  return { result: { ...made, environment }, text: `${made.file}: ${generated}\n${missing}` };
}

async function seal({ place, day }: Work): Promise<Answer> {
  const { sealSecrets } = await import("../settings/secretsFile.ts");
  const { file, key } = await sealSecrets(place, day);
  return {
    result: { file, key },
    text: `${file}: sealed, and the plain file is removed\n${key}: its key; keep a copy in a safe place, it cannot be opened without\n`,
  };
}

async function edit({ place, day, terminal }: Work): Promise<Answer> {
  const { editSecrets } = await import("./editSecrets.ts");
  const { file, changed } = await editSecrets(place, day, terminal);
  return { result: { file, changed }, text: `${file}: ${changed ? "changed" : "as it was"}\n` };
}

async function set({ input, place, day, name }: Work): Promise<Answer> {
  const [{ openSecretsFile }, { setSecret }, { promptSecret }] = await Promise.all([
    import("../settings/secretsFile.ts"),
    import("../settings/secrets.ts"),
    import("./promptSecret.ts"),
  ]);
  const opened = await openSecretsFile(place);
  const again = `npm run secrets -- set ${input.environment} <name>`;
  const value = await promptSecret(name, again);
  const { file } = await setSecret(place, opened, { name, value, day });
  return { result: { file, name }, text: `${file}: ${name} is set\n` };
}

async function list({ place, day }: Work): Promise<Answer> {
  const [{ openSecretsFile }, { listSecrets }, { table }] = await Promise.all([
    import("../settings/secretsFile.ts"),
    import("../settings/secrets.ts"),
    import("./table.ts"),
  ]);
  const { file, sealed, text = "" } = await openSecretsFile(place);
  const secrets = listSecrets(place, { file, text }, day);
  const rows = secrets.map(({ name, state, days }) => {
    const age = days === null ? "age not noted" : days === 1 ? "1 day old" : `${days} days old`;
    return [name, state, state === "set" ? age : ""];
  });
  return { result: { file, sealed, secrets }, text: `${file}\n${table(rows)}` };
}

async function rotate({ input, place, name, terminal }: Work): Promise<Answer> {
  const { rotateSecret } = await import("./rotateSecret.ts");
  return rotateSecret(input, place, name, terminal);
}
