import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "render",
  description: "Print the stack as YAML. Needs no engine.",
  environment: "first",
  examples: ["npm run -s render -- prod", "npm run -s render -- dev | docker compose -f - config"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ prepareStack }, { checkStack }] = await Promise.all([
      import("../deploy/prepareStack.ts"),
      import("../stack/checkStack.ts"),
    ]);
    const { stack } = prepareStack(settings, { release: "000000" });
    await checkStack(stack);
    return { result: { stack: stack.model }, text: stack.text, isData: true };
  },
});
