# Succeeds when the application can log in. Who that is the Secret says, which a rotation changes.
. "$(dirname "$0")/lib.sh"
user=$BEANPOD_USERNAME
[ ! -s "$BEANPOD_APP/username" ] || user=$(cat "$BEANPOD_APP/username")
export PGCONNECT_TIMEOUT=4
[ "$(over_network "$user" "$BEANPOD_APP/password" run_sql --command='SELECT 1')" = 1 ]
