# Stops PostgreSQL fast: clients are disconnected and everything is written.
. "$(dirname "$0")/lib.sh"
for folder in "$BEANPOD_DATA/pgdata" "$BEANPOD_DATA/pgdata.new"; do
  [ ! -e "$folder/postmaster.pid" ] || pg_ctl stop --silent --wait --timeout=100 --mode=fast --pgdata="$folder"
done
