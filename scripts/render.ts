import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "render",
  about: "Print the stack as YAML, from env files alone: no engine is needed.",
  environment: "first",
  examples: ["npm run -s render -- prod", "npm run -s render -- dev | docker compose -f - config"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ prepareStack }, { validateStack }] = await Promise.all([
      import("./preparation/prepareStack.ts"),
      import("./stack/validateStack.ts"),
    ]);
    const { stack } = prepareStack(settings, { release: "000000" });
    await validateStack(stack);
    return { result: { stack: stack.model }, text: stack.text, isData: true };
  },
});
