// Stands for scripts/checks/request.ts: a request into a simulated container, whose name the
// connection or the agent has.
import type { Asked, Reply } from "../../../scripts/checks/request.ts";
import { cluster } from "../machine.ts";
import { world } from "../world.ts";

/** One request over a connection that the simulated engine gave. */
export function request(url: string, asked: Asked = {}): Promise<Reply> {
  const { container } = (asked.agent ?? asked.connection) as unknown as { container: string };
  const { method = "GET", body } = asked;
  const { pathname } = new URL(url);
  return world().effect(`${method} ${pathname}`, 5, () =>
    cluster().answer(container, method, pathname, body),
  );
}
