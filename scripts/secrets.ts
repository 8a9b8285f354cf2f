import { command } from "./cli/command.ts";

await command({
  name: "secrets",
  about: "Create env/<env>.secrets.env (0600) with generated values for all that can be generated.",
  environment: "none",
  arguments: [
    ["<action>", "init"],
    ["<env>", "dev, development, staging, prod"],
  ],
  examples: ["npm run secrets -- init prod"],
  async act(asked) {
    const [{ Problem }, { environmentName }, { initSecrets }, { randomBytes }] = await Promise.all([
      import("./common/problem.ts"),
      import("./settings/environmentName.ts"),
      import("./settings/initSecrets.ts"),
      import("node:crypto"),
    ]);
    const [action = "", name = ""] = asked.arguments;
    if (action !== "init") throw new Problem("USAGE", `expected init, got ${action}`);
    const environment = environmentName(name);
    const made = initSecrets({
      environment,
      root: asked.root,
      processEnvironment: process.env,
      random: randomBytes,
    });
    const generated =
      made.generated.length === 0
        ? "nothing to generate"
        : `generated ${made.generated.join(", ")}`;
    const missing = made.missing.map((one) => `  to be filled in by you: ${one}\n`).join("");
    return { result: { ...made, environment }, text: `${made.file}: ${generated}\n${missing}` };
  },
});
