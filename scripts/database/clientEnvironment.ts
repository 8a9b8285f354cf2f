/** Parameters of a database URI that Postgres' own clients know too, by their variables. */
const parameters: Readonly<Record<string, string>> = {
  sslmode: "PGSSLMODE",
  ssl: "PGSSLMODE", // asyncpg's name for it
  sslnegotiation: "PGSSLNEGOTIATION",
  channel_binding: "PGCHANNELBINDING",
  gssencmode: "PGGSSENCMODE",
  options: "PGOPTIONS",
  target_session_attrs: "PGTARGETSESSIONATTRS",
};

/**
 * A database URI as the variables that Postgres' clients read, so that no password stands in
 * a command line.
 * @returns the variables, and the database the URI names
 */
export function clientEnvironment(uri: string): {
  environment: Readonly<Record<string, string>>;
  name: string;
} {
  const address = new URL(uri);
  const name = decodeURIComponent(address.pathname.slice(1));
  const known = [...address.searchParams].flatMap(([parameter, value]) => {
    const variable = parameters[parameter];
    return variable === undefined ? [] : [[variable, value]];
  });
  const environment = {
    PGHOST: address.hostname.replace(/^\[(.*)\]$/u, "$1"),
    PGPORT: address.port || "5432",
    PGUSER: decodeURIComponent(address.username),
    PGPASSWORD: decodeURIComponent(address.password),
    PGCONNECT_TIMEOUT: "5",
    ...(Object.fromEntries(known) as Record<string, string>),
  };
  return { environment, name };
}
