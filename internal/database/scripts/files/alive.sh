# Succeeds while a server answers, also one that is recovering or shutting down and takes nobody yet.
. "$(dirname "$0")/lib.sh"
pg_isready --quiet --host="$BEANPOD_HOST" --port="$BEANPOD_PORT" --timeout=5 || [ $? -eq 1 ]
