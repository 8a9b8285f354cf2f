#!/bin/sh
# Initialises an empty data directory, then becomes the server. The server that
# runs the init scripts listens on its socket only, so that a check over TCP
# cannot take it for the real one.
set -eu

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

[ "${1:-}" = postgres ] || exec "$@"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  password_file=${POSTGRES_PASSWORD_FILE:-}
  if [ -z "$password_file" ]; then
    [ -n "${POSTGRES_PASSWORD:-}" ] || { echo >&2 "expected POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, got neither"; exit 1; }
    password_file=$(mktemp)
    printf '%s' "$POSTGRES_PASSWORD" > "$password_file"
  fi
  initdb --username="$user" --pwfile="$password_file" --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=scram-sha-256
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl start --wait --options="-c listen_addresses=''" > /dev/null
  if [ "$database" != postgres ]; then
    psql -v ON_ERROR_STOP=1 -v name="$database" -U "$user" -d postgres -qc '' -f - <<'SQL'
CREATE DATABASE :"name";
SQL
  fi
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sql) psql -v ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$script" ;;
      *.sh) sh "$script" ;;
    esac
  done
  pg_ctl stop --wait --mode=fast > /dev/null
fi

exec "$@" -c listen_addresses='*'
