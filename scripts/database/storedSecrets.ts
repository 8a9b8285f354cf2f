import { createCipheriv, createDecipheriv, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { quoteName, quoteText } from "./psqlClient.ts";
import type { Database } from "./sql.ts";

/** Where Letta stores secrets: an old column in plain text, and `<old>_enc` next to it (letta/orm, 0.16.8). */
const columns: Readonly<Record<string, readonly string[]>> = {
  providers: ["api_key", "access_key"],
  mcp_server: ["token", "custom_headers"],
  mcp_oauth: ["authorization_code", "access_token", "refresh_token", "client_secret"],
  sandbox_environment_variables: ["value"],
  agent_environment_variables: ["value"],
};

/** One secret that a row of the server's holds. */
export interface StoredSecret {
  readonly table: string;
  /** The old one, without `_enc`. */
  readonly column: string;
  readonly id: string;
  /** What the old column has. */
  readonly old: string | null;
  /** What the `_enc` column has: encrypted, or plain where the server had no key; null where there is none. */
  readonly stored: string | null;
  /** Whether this revision has the `_enc` column. */
  readonly hasEncrypted: boolean;
}

/** The keys of both sides: LETTA_ENCRYPTION_KEY of the server that wrote, and of the one that is to read. */
export interface Keys {
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Whether values that look encrypted are known to be plain, as the old server never had a key. */
  readonly isPlain?: boolean;
}

export interface SecretsPlan {
  /** Values of `_enc` columns to write. */
  readonly updates: readonly {
    readonly table: string;
    readonly column: string;
    readonly id: string;
    readonly value: string;
  }[];
  /** Those that nothing can read, as "providers.api_key provider-1": no value stands in it. */
  readonly unreadable: readonly string[];
  /** How many the old key decrypts, and how many are plain text. */
  readonly encrypted: number;
  readonly plain: number;
}

const [saltBytes, ivBytes, tagBytes] = [16, 12, 16];
const derive = promisify(pbkdf2);

/** letta/helpers/crypto_utils.py (0.16.8): PBKDF2-HMAC-SHA256, 100,000 rounds; 20 ms a value. */
const keyOf = (key: string, salt: Buffer) => derive(key, salt, 100_000, 32, "sha256");

/**
 * Encrypts a value as the server does: base64 of salt, IV, AES-256-GCM and its tag.
 * @param randomBytes for salt and IV
 */
export async function encryptSecret(
  value: string,
  key: string,
  randomBytes: (count: number) => Buffer,
): Promise<string> {
  const [salt, iv] = [randomBytes(saltBytes), randomBytes(ivBytes)];
  const cipher = createCipheriv("aes-256-gcm", await keyOf(key, salt), iv);
  const sealed = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  return Buffer.concat([salt, iv, sealed, cipher.getAuthTag()]).toString("base64");
}

/** @returns undefined where the value is not one that this key encrypted: GCM authenticates it */
export async function decryptSecret(value: string, key: string): Promise<string | undefined> {
  const bytes = encryptedBytes(value);
  if (bytes === undefined) return undefined;
  const salt = bytes.subarray(0, saltBytes);
  const decipher = createDecipheriv(
    "aes-256-gcm",
    await keyOf(key, salt),
    bytes.subarray(saltBytes, saltBytes + ivBytes),
  );
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    const sealed = bytes.subarray(saltBytes + ivBytes, -tagBytes);
    return Buffer.concat([decipher.update(sealed), decipher.final()]).toString("utf8");
  } catch {
    return undefined;
  }
}

/** The bytes of what may be an encrypted value; undefined for what has another form. */
function encryptedBytes(value: string): Buffer | undefined {
  const isBase64 = value.length % 4 === 0 && /^[\w+/]+={0,2}$/u.test(value) && !value.includes("_");
  const bytes = isBase64 ? Buffer.from(value, "base64") : Buffer.alloc(0);
  return bytes.length > saltBytes + ivBytes + tagBytes ? bytes : undefined;
}

/** Sixty random base64 characters are never all hex digits, as some providers' keys are. */
const looksEncrypted = (value: string) =>
  encryptedBytes(value) !== undefined && !/^[\da-f]+$/iu.test(value);

/**
 * What has to be written so that a server with the key `to` reads every secret. A server that is given
 * a key later takes plain values for encrypted ones by their form, and then refuses whole lists.
 */
export async function planSecrets(
  secrets: readonly StoredSecret[],
  { from, to, isPlain = false }: Keys,
  randomBytes: (count: number) => Buffer,
): Promise<SecretsPlan> {
  const updates: SecretsPlan["updates"][number][] = [];
  const unreadable: string[] = [];
  let [encrypted, plain] = [0, 0];
  for (const { table, column, id, old, stored, hasEncrypted } of secrets) {
    const held = stored || old;
    if (!held) continue;
    const opened = stored && from !== undefined ? await decryptSecret(stored, from) : undefined;
    if (opened === undefined && stored && stored !== old && !isPlain && looksEncrypted(stored)) {
      unreadable.push(`${table}.${column} of ${id}`);
      continue;
    }
    if (opened === undefined) plain += 1;
    else encrypted += 1;
    const isRight = opened === undefined ? to === undefined && stored === held : from === to;
    if (isRight || !hasEncrypted) continue;
    const text = opened ?? held;
    const value = to === undefined ? text : await encryptSecret(text, to, randomBytes);
    updates.push({ table, column: `${column}_enc`, id, value });
  }
  return { updates, unreadable, encrypted, plain };
}

/**
 * Reads every stored secret of a database.
 * @param schema the one with the server's tables
 * @throws Problem DATABASE_REFUSED
 */
export async function readSecrets(database: Database, schema: string): Promise<StoredSecret[]> {
  const found = await askRows<{ table: string; column: string; type: string }>(
    database,
    `SELECT table_name AS "table", column_name AS "column", data_type AS type
      FROM information_schema.columns WHERE table_schema = ${quoteText(schema)}
      AND table_name IN (${Object.keys(columns).map(quoteText).join(", ")})`,
    "its columns",
  );
  const typeOf = (table: string, column: string) =>
    found.find((one) => one.table === table && one.column === column)?.type;
  const queries = Object.entries(columns).flatMap(([table, names]) =>
    names.flatMap((column) => {
      const [type, sealed] = [typeOf(table, column), typeOf(table, `${column}_enc`)];
      if (type === undefined && sealed === undefined) return [];
      // SQLAlchemy writes an absent JSON value as JSON's null.
      const text = (name: string) => `nullif(nullif(${quoteName(name)}::text, 'null'), '')`;
      return [
        `SELECT ${quoteText(table)} AS "table", ${quoteText(column)} AS "column", id::text AS id,
          ${type === undefined ? "NULL" : text(column)} AS old,
          ${sealed === undefined ? "NULL" : text(`${column}_enc`)} AS stored,
          ${sealed !== undefined} AS "hasEncrypted"
          FROM ${quoteName(schema)}.${quoteName(table)}`,
      ];
    }),
  );
  if (queries.length === 0) return [];
  return askRows<StoredSecret>(database, queries.join(" UNION ALL "), "its stored secrets");
}

/** Only a superuser may set these (42501 for others), so others write under the server's own settings. */
const quiet = `SELECT set_config(name, value, false) FROM (VALUES ('log_min_duration_statement', '-1'),
  ('log_statement', 'none'), ('log_min_error_statement', 'panic')) AS quiet (name, value)
  WHERE current_setting('is_superuser') = 'on';`;

/**
 * Writes what was planned, all of it or nothing; the log of a server where the role is a superuser gets none
 * of the values.
 * @throws Problem DATABASE_REFUSED
 */
export async function writeSecrets(
  database: Database,
  schema: string,
  { updates }: SecretsPlan,
): Promise<void> {
  if (updates.length === 0) return;
  const statements = updates.map(
    ({ table, column, id, value }) =>
      `UPDATE ${quoteName(schema)}.${quoteName(table)} SET ${quoteName(column)} = ${quoteText(value)}
        WHERE id = ${quoteText(id)};`,
  );
  const { state, message } = await database.ask(
    [quiet, "BEGIN;", ...statements, "COMMIT"].join("\n"),
  );
  if (state === "") return;
  throw new Problem("DATABASE_REFUSED", "the stored secrets could not be encrypted", {
    details: [message],
  });
}
