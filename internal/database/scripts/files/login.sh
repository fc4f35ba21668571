# Makes the application's user and database in a server that has an administrator only, or whose data a snapshot brought.
. "$(dirname "$0")/lib.sh"
await
login=$(secret "$BEANPOD_APP/username")
secret "$BEANPOD_APP/password" >/dev/null

works() { # whoever can log in already is left alone
  [ "$(over_network "$login" "$BEANPOD_APP/password" run_sql --command='SELECT current_user' 2>/dev/null)" = "$BEANPOD_USERNAME" ]
}

if works; then
  echo "$login can log in."
  exit 0
fi
[ "$login" = "$BEANPOD_USERNAME" ] || fail "The login $login of the Secret does not work, and a rotation made it for other data than these. Bring these data back, or the Secret."
if ! problem=$(as_administrator --dbname=postgres --command='SELECT 1' 2>&1 >/dev/null); then
  # In a snapshot that somebody else took there is no such user: the one that the application wants administers it, with the same password.
  BEANPOD_ADMIN_USERNAME=$BEANPOD_USERNAME
  as_administrator --dbname=postgres --command='SELECT 1' >/dev/null || fail "The administrator cannot log in: $(echo "$problem" | tr '\n' ' ')"
fi
typed "$BEANPOD_APP/password" | as_administrator --dbname=postgres --set=restored="${BEANPOD_RESTORE:+1}" --file="$scripts/login.sql" ||
  fail "The user $BEANPOD_USERNAME or the database $BEANPOD_DATABASE could not be made; the log of this container says why."
works || fail "The user $BEANPOD_USERNAME cannot log in to the database $BEANPOD_DATABASE, although it has the password. Are spec.username and spec.databaseName those of the snapshot?"
