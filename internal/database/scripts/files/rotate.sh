# Adds a login for the database's owner: a role of its own that acts as the owner, so that the old login stays good meanwhile.
. "$(dirname "$0")/lib.sh"
await
secret "$BEANPOD_ROTATION/password" >/dev/null
typed "$BEANPOD_ROTATION/password" | as_administrator --set=role="$BEANPOD_ROLE" --file="$scripts/rotate.sql" ||
  fail "The new login $BEANPOD_ROLE could not be made; the log of this container says why."
