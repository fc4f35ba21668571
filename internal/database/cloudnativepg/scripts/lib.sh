# Begins both scripts. The password comes from a file, never from arguments or logs.
set -eu
: "${BEANPOD_MESSAGE:=/dev/termination-log}"

fail() { # SENTENCE: where people see it
  echo "$*" >&2
  printf '%s' "$*" 2>/dev/null >"$BEANPOD_MESSAGE" || true
  exit 1
}

run_sql() { # PSQL ARGUMENTS...: stops at the first error
  psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --set=owner="$BEANPOD_OWNER" --set=role="$PGUSER" "$@"
}

PGPASSWORD=$(cat "$BEANPOD_PASSWORD_FILE")
export PGPASSWORD PGCONNECT_TIMEOUT=10 PGAPPNAME=beanpod
