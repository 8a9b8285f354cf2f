#!/bin/bash
# The manners of the official image: initialises an empty data directory, then becomes the
# server. A data directory counts as made once PG_VERSION stands in it, which comes last:
# until then all work is done in sibling folders that cannot be mistaken for one.
set -euo pipefail
shopt -s nullglob

fail() { echo >&2 "$1"; exit 1; }

# Runs in the unfinished folder. The server that the init scripts talk to listens on its
# socket only, so that a check over TCP cannot take it for the real one.
initialise() {
  local PGDATA=$1; shift
  export PGDATA POSTGRES_USER=${POSTGRES_USER:-postgres}
  export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  [ -n "${POSTGRES_PASSWORD:-}" ] ||
    fail "expected POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, got neither"
  [ "$POSTGRES_PASSWORD" = "${POSTGRES_PASSWORD%%$'\n'*}" ] ||
    fail "expected one line as POSTGRES_PASSWORD, got more"

  # shellcheck disable=SC2086 # several arguments in one variable, as in the official image
  initdb --username="$POSTGRES_USER" --pwfile=/dev/stdin --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 ${POSTGRES_INITDB_ARGS:-} <<< "$POSTGRES_PASSWORD"
  printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  pg_ctl start --wait --silent --options="${*@Q} -c listen_addresses=''"
  if [ "$POSTGRES_DB" != postgres ]; then
    run_sql --dbname=postgres --variable=name="$POSTGRES_DB" <<< 'CREATE DATABASE :"name";'
  fi
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    echo "running $script"
    case "$script" in
      *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
      *.sql) run_sql < "$script" ;;
      *.sql.gz) gunzip --stdout "$script" | run_sql ;;
      *) echo "ignoring $script" ;;
    esac
  done
  pg_ctl stop --wait --silent --mode=fast
}

run_sql() {
  psql --variable=ON_ERROR_STOP=1 --no-password --no-psqlrc --quiet \
    --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" "$@"
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
if [ "${1:-}" != postgres ] || [[ " $* " =~ \ (--help|-\?|--version|-V|--describe-config)\  ]]; then
  exec "$@"
fi

# Secret files are read here, while still root: they may be readable by root alone.
for name in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB; do
  file=${name}_FILE
  [ -n "${!file:-}" ] || continue
  [ -z "${!name:-}" ] || fail "expected $name or $file, got both"
  [ -r "${!file}" ] || fail "expected a readable file as $file, got ${!file}"
  value=$(< "${!file}")
  export "$name=$value"
  unset "$file"
done

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA"
  find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres:postgres {} +
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

unfinished=$PGDATA/.init-unfinished ready=$PGDATA/.init-ready
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  exec 9< "$PGDATA"
  flock --nonblock 9 || fail "$PGDATA is being initialised by another container"
  if [ ! -d "$ready" ]; then
    rm -rf "$unfinished" # a start that was killed half-way: no server has ever served from it
    found=$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found -printf ' %f')
    [ -z "$found" ] ||
      fail "expected an empty folder or a database in $PGDATA, got no PG_VERSION but$found"
    trap 'exit 130' INT TERM # in the background, so that a stop need not wait for its end
    initialise "$unfinished" "${@:2}" &
    wait $!
    trap - INT TERM
    mv "$unfinished" "$ready"
  fi
  find "$ready" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
  mv "$ready/PG_VERSION" "$PGDATA"
  exec 9<&-
fi
[ ! -d "$ready" ] || rmdir "$ready"

unset POSTGRES_PASSWORD
exec postgres -c listen_addresses='*' "${@:2}"
