/**
 * Parameters of a database URI and the variable by which libpq's clients read each
 * (PostgreSQL 17, "Environment Variables" of libpq).
 */
const variables: Readonly<Record<string, string>> = {
  channel_binding: "PGCHANNELBINDING",
  connect_timeout: "PGCONNECT_TIMEOUT",
  gssdelegation: "PGGSSDELEGATION",
  gssencmode: "PGGSSENCMODE",
  gsslib: "PGGSSLIB",
  hostaddr: "PGHOSTADDR",
  krbsrvname: "PGKRBSRVNAME",
  load_balance_hosts: "PGLOADBALANCEHOSTS",
  options: "PGOPTIONS",
  require_auth: "PGREQUIREAUTH",
  ssl: "PGSSLMODE", // asyncpg's name for it
  ssl_max_protocol_version: "PGSSLMAXPROTOCOLVERSION",
  ssl_min_protocol_version: "PGSSLMINPROTOCOLVERSION",
  sslcert: "PGSSLCERT",
  sslcrl: "PGSSLCRL",
  sslcrldir: "PGSSLCRLDIR",
  sslkey: "PGSSLKEY",
  sslmode: "PGSSLMODE",
  sslnegotiation: "PGSSLNEGOTIATION",
  sslrootcert: "PGSSLROOTCERT",
  sslsni: "PGSSLSNI",
  target_session_attrs: "PGTARGETSESSIONATTRS",
};

/** Only the stack's server gets it: the tool's sessions have a name of their own, by which they are distinguished from others. */
const ownName = "application_name";

export interface ClientEnvironment {
  readonly environment: Readonly<Record<string, string>>;
  /** The database that the URI names. */
  readonly name: string;
  /** What the stack's server calls itself, "" where the URI does not say. */
  readonly applicationName: string;
  /** Parameters that only the server gets: psql and pg_dump have no variable for them. */
  readonly dropped: readonly string[];
}

/**
 * A database URI as the variables that Postgres' clients read, so that no password stands in
 * a command line.
 */
export function clientEnvironment(uri: string): ClientEnvironment {
  const address = new URL(uri);
  const name = decodeURIComponent(address.pathname.slice(1));
  const parameters = [...address.searchParams].filter(([parameter]) => parameter !== ownName);
  const known = parameters.flatMap(([parameter, value]) => {
    const variable = variables[parameter];
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
  const dropped = parameters.flatMap(([one]) => (variables[one] === undefined ? [one] : []));
  const applicationName = address.searchParams.get(ownName) ?? "";
  return { environment, name, applicationName, dropped };
}
