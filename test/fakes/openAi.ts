import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface OpenAi {
  /** As the server's model setting takes it: "http://172.17.0.1:40123/v1". */
  readonly url: string;
  /** Of each answer. */
  readonly words: readonly string[];
  close(): void;
}

/**
 * Stands for a model service that speaks OpenAI's chat completions, which cannot be had here:
 * whatever it is asked, it answers a word each second, as the chunks of a stream.
 * @param host the machine's address that the server's container reaches
 * @param seconds that an answer takes
 */
export async function openAi(host: string, seconds: number): Promise<OpenAi> {
  const words = Array.from({ length: seconds }, (_, index) => `word${index + 1}`);
  const service = createServer((asked, reply) => {
    asked.once("end", () => void answer(reply));
    asked.resume();
  });
  const answer = async (reply: ServerResponse) => {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (delta: object, finish_reason: string | null) => {
      const choices = [{ index: 0, delta, finish_reason }];
      const head = {
        id: "chatcmpl-fake",
        object: "chat.completion.chunk",
        created: 0,
        model: "fake",
      };
      reply.write(`data: ${JSON.stringify({ ...head, choices })}\n\n`);
    };
    chunk({ role: "assistant", content: "" }, null);
    for (const word of words) {
      chunk({ content: `${word} ` }, null);
      await sleep(1000);
    }
    chunk({}, "stop");
    reply.end("data: [DONE]\n\n");
  };
  service.listen(0, host);
  await once(service, "listening");
  const { port } = service.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/v1`,
    words,
    close() {
      service.close();
      service.closeAllConnections();
    },
  };
}
