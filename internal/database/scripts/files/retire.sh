# Ends the old logins, after the new one has proved to work.
. "$(dirname "$0")/lib.sh"
await
owner=$(over_network "$BEANPOD_ROLE" "$BEANPOD_ROTATION/password" run_sql --command='SELECT current_user') || owner=
[ "$owner" = "$BEANPOD_USERNAME" ] || fail "The new login $BEANPOD_ROLE does not work, so the old one was left as it is."
as_administrator --set=role="$BEANPOD_ROLE" --file="$scripts/retire.sql" || fail "The old login could not be ended; the log of this container says why."
