# Begins to stop PostgreSQL fast: clients are disconnected and everything is written. Whoever asked waits for the container's end, with which
# this would end too.
. "$(dirname "$0")/lib.sh"
for folder in "$BEANPOD_DATA/pgdata" "$BEANPOD_DATA/pgdata.new"; do
  [ ! -e "$folder/postmaster.pid" ] || pg_ctl stop --silent --no-wait --mode=fast --pgdata="$folder"
done
