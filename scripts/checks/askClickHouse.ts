import type { Duplex } from "node:stream";
import { request } from "./request.ts";

/** ClickHouse's HTTP interface as it is reached from here, and who asks. */
export interface ClickHouseReader {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** A certificate (PEM) that is trusted too. */
  readonly caCertificate: string | undefined;
  /** Opens a way into its container, where it publishes no port. */
  readonly connect: (() => Promise<Duplex>) | undefined;
}

export interface ClickHouseAnswer {
  readonly text: string;
  /** ClickHouse's own number for what went wrong; 0 for an answer. */
  readonly fault: number;
}

/**
 * One query. Who asks stands in headers, what is asked for in parameters: neither in the
 * address, which is logged, nor in the query.
 * @throws Error where no answer came
 */
export async function askClickHouse(
  reader: ClickHouseReader,
  database: string,
  query: string,
  parameters: Readonly<Record<string, string>>,
): Promise<ClickHouseAnswer> {
  const given = Object.entries(parameters).map(([name, value]) => [`param_${name}`, value]);
  const reply = await request(`${reader.url}/?${new URLSearchParams(given)}`, {
    method: "POST",
    headers: {
      "x-clickhouse-user": reader.user,
      "x-clickhouse-key": reader.password,
      "x-clickhouse-database": database,
      connection: "close",
    },
    body: query,
    elsewhere: { caCertificate: reader.caCertificate },
    ...(reader.connect === undefined ? {} : { connection: await reader.connect() }),
  });
  const fault = Number(/Code: (\d+)/.exec(reply.body)?.[1] ?? reply.status);
  return { text: reply.body.trim(), fault: reply.status === 200 ? 0 : fault };
}
