# Starts PostgreSQL. A new database is made in a folder of another name, which gets its own only when it is complete: whatever ends
# this at any moment leaves a whole database or none, and the next start begins again.
. "$(dirname "$0")/lib.sh"
data=$BEANPOD_DATA/pgdata fresh=$BEANPOD_DATA/pgdata.new

make() {
  rm -rf "$fresh"
  initialise "$fresh" --auth=scram-sha-256 --pwfile="$BEANPOD_ADMIN/password" --data-checksums
  listen_locally "$fresh" ''
  BEANPOD_PASSWORD=$(secret "$BEANPOD_APP/password")
  export BEANPOD_PASSWORD
  make_database
  unset BEANPOD_PASSWORD
  if [ -n "${BEANPOD_RESTORE:-}" ]; then
    unpack "$BEANPOD_WORK/snapshot.tar"
    restore
    compare
  fi
  pg_ctl stop --silent --wait --timeout=3600 --mode=fast --pgdata="$fresh" || fail "PostgreSQL does not stop after it made the database; its log is above."
  mv "$fresh" "$data"
  sync "$data" "$BEANPOD_DATA"
}

major() { # of the programs here
  postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

superuser_password() { # is what its Secret says, also when somebody made that anew
  password=$(secret "$BEANPOD_ADMIN/password")
  case $password in *[!A-Za-z0-9_-]*) fail "The password in $BEANPOD_ADMIN has other characters than letters, digits, _ and -." ;; esac
  echo "ALTER ROLE postgres PASSWORD '$password'" |
    postgres --single -D "$data" -c log_min_error_statement=panic -c log_statement=none postgres >/dev/null ||
    fail "PostgreSQL cannot read its data in $data; its log is above."
}

secret "$BEANPOD_APP/password" >/dev/null
[ -d "$data" ] || [ ! -e "$scripts/complete" ] ||
  fail "The volume has no database, and there was one: no empty one is made in its place. Bring the volume's content back. Where the data are lost, delete the DatabaseClaim with deletionPolicy Delete and create it anew, with restoreFrom for a snapshot."
[ -d "$data" ] || make
[ "$(cat "$data/PG_VERSION")" = "$(major)" ] ||
  fail "The data are those of PostgreSQL $(cat "$data/PG_VERSION"), and the image has PostgreSQL $(major). Set engine.version back; to upgrade, take a snapshot and restore it with another DatabaseClaim."
chmod 0700 "$data" # a volume's group may have been given rights, which PostgreSQL refuses
superuser_password
{ echo 'local all all scram-sha-256'; echo 'host all all all scram-sha-256'; } >"$BEANPOD_RUN/hba.conf"
exec postgres -D "$data" -c listen_addresses='*' -c port="$BEANPOD_PORT" -c unix_socket_directories="$BEANPOD_RUN" \
  -c hba_file="$BEANPOD_RUN/hba.conf" -c password_encryption=scram-sha-256 -c logging_collector=off -c log_destination=stderr
