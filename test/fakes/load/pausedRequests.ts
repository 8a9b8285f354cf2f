import { Agent, request } from "node:https";

/** Handshakes that are under way at once: more, and a slow machine takes too long for each. */
const atOnce = 50;

/**
 * Stands for many clients, each with a connection of its own, that ask and wait.
 * @param proxy such as "https://172.17.0.1:8445"
 * @returns once all have asked; `answers` tells how often each thing was answered: "200", "ECONNRESET"
 */
export async function pausedRequests(
  proxyUrl: string,
  count: number,
): Promise<{ readonly answers: Promise<Readonly<Record<string, number>>> }> {
  const agent = new Agent({ rejectUnauthorized: false });
  const answers: Promise<string>[] = [];
  const client = async () => {
    while (answers.length < count) {
      const asked = Promise.withResolvers<void>();
      answers.push(ask(proxyUrl, agent, asked.resolve));
      await asked.promise;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return { answers: Promise.all(answers).then(counted) };
}

/** @param onAsked called when it has asked, or has failed to */
function ask(proxyUrl: string, agent: Agent, onAsked: () => void): Promise<string> {
  return new Promise((resolve) => {
    const asking = request(`${proxyUrl}/v1/health/`, { agent }, (reply) => {
      reply.resume();
      reply.once("close", () => resolve(reply.complete ? String(reply.statusCode) : "cut"));
    });
    asking.once("socket", (socket) => socket.once("secureConnect", onAsked));
    asking.once("error", (error) => {
      onAsked();
      resolve("code" in error ? String(error.code) : error.message);
    });
    asking.end();
  });
}

function counted(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of outcomes) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}
