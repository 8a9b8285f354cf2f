import { Problem } from "../common/problem.ts";
import type { Answer, Database } from "./sql.ts";

/**
 * Whether an external database can serve, asked before anything starts.
 * @param place the setting's origin and its host, for the message; never the URI itself
 * @throws Problem DATABASE_REFUSED, with its own words for each way in which it cannot
 */
export async function judgeDatabase(database: Database, place: string): Promise<void> {
  const login = await database.ask(
    "SELECT current_database(), has_schema_privilege(current_schema(), 'CREATE')",
  );
  if (login.state !== "")
    throw new Problem("DATABASE_REFUSED", `${place}: ${loginFault(login)}`, {
      details: [login.message],
      next: "npm run doctor",
    });
  const [name = "", mayCreate = ""] = login.rows[0] ?? [];
  if (mayCreate !== "t") {
    throw new Problem(
      "DATABASE_REFUSED",
      `${place}: expected the right to create tables, got none`,
      {
        next: `as its owner: GRANT CREATE, USAGE ON SCHEMA public TO the user of LETTA_PG_URI`,
      },
    );
  }
  const vector = await database.ask("SELECT extversion FROM pg_extension WHERE extname = 'vector'");
  if (vector.rows.length === 0) {
    throw new Problem(
      "DATABASE_REFUSED",
      `${place}: expected the extension vector in ${name}, got none`,
      {
        next: `as a superuser, in ${name}: CREATE EXTENSION vector`,
      },
    );
  }
}

/** psql gives no SQLSTATE for a login that failed, only its words (in C, as we ask it). */
export function loginFault({ message }: Pick<Answer, "message">): string {
  if (/password authentication failed|no password supplied/.test(message)) {
    return "expected the password to be right, the server refuses it";
  }
  if (/database ".*" does not exist/.test(message))
    return "expected the database to exist, it does not";
  if (/translate host name|resolve/.test(message))
    return "expected a host name that resolves from a container";
  if (/refused|timeout|timed out|unreachable|no route/i.test(message))
    return "expected a server that answers, got none";
  return "expected a login, the server refuses it";
}
