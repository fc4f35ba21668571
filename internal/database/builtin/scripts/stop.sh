# Stops PostgreSQL fast: clients are disconnected and everything is written.
. "$(dirname "$0")/lib.sh"
pg_ctl stop --silent --wait --timeout=100 --mode=fast --pgdata="$BEANPOD_DATA/pgdata"
