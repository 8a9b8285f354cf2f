import { redaction } from "../common/redaction.ts";
import { keepEvidence } from "../ledger/evidence.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";

const lines = 2000;

/** Keeps logs and states of all parts before any is removed, without the secrets in them. */
export async function gatherEvidence(
  settings: Settings,
  directory: string,
  release: string,
  tools: Tools,
): Promise<void> {
  const hide = redaction(settings.sensitive());
  const keep = (name: string, text: string) => keepEvidence(directory, release, name, hide(text));
  const containers = await tools.engine.containers(settings.project);
  await tools.say.step(
    "keep the evidence",
    async () => {
      for (const one of containers) {
        const { made: _secret, ...seen } = await tools.engine.inspect(one.id);
        keep(`${one.service}.json`, `${JSON.stringify(seen, null, 2)}\n`);
        keep(`${one.service}.log`, await tools.engine.tail(one.id, lines));
      }
    },
    () => `evidence/${release}/`,
  );
}
