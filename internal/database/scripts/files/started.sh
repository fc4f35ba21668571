# Succeeds once the server takes connections.
. "$(dirname "$0")/lib.sh"
pg_isready --quiet --host="$BEANPOD_HOST" --port="$BEANPOD_PORT" --timeout=5
