// `npm run docs`: writes the generated pages.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandsPage, settingsPage } from "./pages.ts";

const docs = join(import.meta.dirname, "../../docs");
writeFileSync(join(docs, "settings.md"), settingsPage());
writeFileSync(join(docs, "commands.md"), await commandsPage());
