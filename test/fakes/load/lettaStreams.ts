import { request } from "../../../scripts/checks/request.ts";
import type { OpenAi } from "../openAi.ts";
import type { LoadInput, Streams } from "./requestLoad.ts";

/** So that two answers under way at once are two agents'. */
const agents = 8;

/**
 * Streams of real Letta: in turn each of some agents, made for it, is sent a message, and what the
 * model service answers comes word by word.
 */
export async function lettaStreams(
  { proxyUrl, password }: Pick<LoadInput, "proxyUrl" | "password">,
  models: OpenAi,
  everySeconds: number,
): Promise<Streams> {
  const ids: string[] = [];
  for (let number = 1; number <= agents; number += 1) {
    const { status, body } = await request(`${proxyUrl}/v1/agents/`, {
      method: "POST",
      headers: { authorization: `Bearer ${password}`, "content-type": "application/json" },
      body: JSON.stringify({
        name: `streams ${number}`,
        agent_type: "letta_v1_agent",
        llm_config: {
          model: "fake",
          model_endpoint_type: "openai",
          model_endpoint: models.url,
          context_window: 30_000,
        },
        embedding: "letta/letta-free",
        include_base_tools: false,
        memory_blocks: [],
      }),
      timeoutMs: 30_000,
    });
    if (status !== 200) throw new Error(`an agent for the streams: ${status} ${body}`);
    ids.push((JSON.parse(body) as { id: string }).id);
  }
  return {
    everySeconds,
    path: (number) => `/v1/agents/${ids[number % agents]!}/messages/stream`,
    body: { messages: [{ role: "user", content: "go on" }], stream_tokens: true },
    isWhole: (text) =>
      models.words.every((word) => text.includes(word)) && /\[DONE\]\s*$/.test(text),
  };
}
