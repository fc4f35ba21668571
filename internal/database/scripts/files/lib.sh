# What the scripts of this folder share. Secrets come from files, never from arguments or logs.
set -eu
umask 077
: "${BEANPOD_DATA:=/data}" "${BEANPOD_WORK:=/work}" "${BEANPOD_RUN:=/tmp}" "${BEANPOD_MESSAGE:=/dev/termination-log}"
: "${BEANPOD_APP:=/secrets/app}" "${BEANPOD_ADMIN:=/secrets/admin}" "${BEANPOD_ROTATION:=/secrets/rotation}"
: "${BEANPOD_HOST:=127.0.0.1}" "${BEANPOD_PORT:=5432}" "${BEANPOD_ADMIN_USERNAME:=postgres}"
export BEANPOD_WORK PGCONNECT_TIMEOUT=10 PGAPPNAME=beanpod
scripts=$(dirname "$0")
# Debian keeps the programs of each version in a folder of their own.
for folder in /usr/lib/postgresql/*/bin; do
  [ ! -d "$folder" ] || PATH=$PATH:$folder
done

fail() { # SENTENCE: where people see it; the first one counts
  echo "$*" >&2
  [ -s "$BEANPOD_MESSAGE" ] || printf '%s' "$*" 2>/dev/null >"$BEANPOD_MESSAGE" || true
  exit 1
}

secret() { # FILE
  [ -s "$1" ] || fail "The file $1 is missing or empty; the Secret behind it needs that key."
  cat "$1"
}

run_sql() { # PSQL ARGUMENTS...: stops at the first error
  psql --no-psqlrc --quiet --no-align --tuples-only --field-separator=' ' --set=ON_ERROR_STOP=1 "$@"
}

over_network() ( # USER PASSWORD_FILE COMMAND...
  PGPASSWORD=$(secret "$2") || exit 1
  export PGPASSWORD PGUSER="$1" PGHOST="$BEANPOD_HOST" PGPORT="$BEANPOD_PORT" PGDATABASE="$BEANPOD_DATABASE"
  shift 2
  "$@"
)

as_administrator() { # PSQL ARGUMENTS...
  over_network "$BEANPOD_ADMIN_USERNAME" "$BEANPOD_ADMIN/password" run_sql --set=owner="$BEANPOD_USERNAME" --set=database="$BEANPOD_DATABASE" "$@"
}

typed() { # FILE: a password as psql's \password asks for it, which sends no more than a verifier: statements may be logged
  password=$(secret "$1") || exit 1
  printf '%s\n%s\n' "$password" "$password"
}

await() { # a server that is starting, or a network policy that has just changed
  tries=0
  until pg_isready --quiet --host="$BEANPOD_HOST" --port="$BEANPOD_PORT" --timeout=5 || [ $tries -ge "${BEANPOD_TRIES:-30}" ]; do
    tries=$((tries + 1))
    sleep 2
  done
}

locally() ( # USER COMMAND...: in a server that listen_locally started
  export PGUSER="$1" PGHOST="$BEANPOD_RUN" PGPORT="$BEANPOD_PORT"
  shift
  "$@"
)

initialise() { # FOLDER INITDB ARGUMENTS...
  initdb --username=postgres --encoding=UTF8 --locale=C.UTF-8 --pgdata="$@" >"$BEANPOD_RUN/initdb.log" 2>&1 ||
    fail "initdb failed: $(tail -n 3 "$BEANPOD_RUN/initdb.log" | tr '\n' ' ')"
}

listen_locally() { # FOLDER SERVER ARGUMENTS: a server for this container alone
  echo 'local all all trust' >"$BEANPOD_RUN/local.conf"
  pg_ctl start --silent --wait --timeout=3600 --pgdata="$1" \
    --options="-c listen_addresses= -c port=$BEANPOD_PORT -c unix_socket_directories=$BEANPOD_RUN -c hba_file=$BEANPOD_RUN/local.conf $2" ||
    fail "PostgreSQL does not start; its log is above."
}

make_database() { # of the application, whose password is in BEANPOD_PASSWORD
  locally postgres run_sql --dbname=postgres --set=owner="$BEANPOD_USERNAME" --set=database="$BEANPOD_DATABASE" --file="$scripts/create.sql" ||
    fail "The database $BEANPOD_DATABASE or its user $BEANPOD_USERNAME could not be made; the log is above."
}

unpack() { # ARCHIVE: the manifest and the dump
  [ -s "$1" ] || fail "The snapshot is missing or empty."
  tar -xf "$1" -C "$BEANPOD_WORK" manifest dump 2>/dev/null || fail "The snapshot cannot be unpacked; it is damaged or no snapshot of this provider."
}

restore() { # The application's user restores: what a dump runs gets no rights that the user has not.
  locally "$BEANPOD_USERNAME" pg_restore --dbname="$BEANPOD_DATABASE" --no-owner --no-privileges --single-transaction "$BEANPOD_WORK/dump" \
    2>"$BEANPOD_WORK/restore.log" || fail "The snapshot cannot be restored: $(tail -n 2 "$BEANPOD_WORK/restore.log" | tr '\n' ' ' | cut -c1-500)"
}

compare() { # what was restored with what was dumped, table by table
  locally postgres run_sql --dbname="$BEANPOD_DATABASE" --file="$scripts/manifest.sql" >"$BEANPOD_WORK/restored" ||
    fail "What was restored cannot be read; the log is above."
  [ "$(cat "$BEANPOD_WORK/manifest")" != "$(cat "$BEANPOD_WORK/restored")" ] || return 0
  different=$(grep -vxF -f "$BEANPOD_WORK/restored" "$BEANPOD_WORK/manifest" || grep -vxF -f "$BEANPOD_WORK/manifest" "$BEANPOD_WORK/restored" || true)
  fail "What was restored from the snapshot is not what was in the database: $(echo "$different" | head -n 1)"
}
