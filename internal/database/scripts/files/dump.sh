# Dumps the database into one file, with a manifest of what must be in it.
. "$(dirname "$0")/lib.sh"
await
: "${BEANPOD_LIMIT:=536870912}" # what the store takes
rm -f "$BEANPOD_WORK/dumped"
if ! over_network postgres "$BEANPOD_ADMIN/password" run_sql --set=manifest="$BEANPOD_WORK/manifest" --file="$scripts/dump.sql" || [ ! -e "$BEANPOD_WORK/dumped" ]; then
  fail "The database could not be dumped; the log of this container says why."
fi
tar -cf "$BEANPOD_WORK/snapshot.tar" -C "$BEANPOD_WORK" manifest dump
rm "$BEANPOD_WORK/manifest" "$BEANPOD_WORK/dump" # what is checked next is what will be stored
size=$(wc -c <"$BEANPOD_WORK/snapshot.tar")
[ "$size" -le "$BEANPOD_LIMIT" ] ||
  fail "The dump has $size bytes, and the store takes $BEANPOD_LIMIT. Use deletionPolicy Retain, or dump the database with pg_dump to another place."
echo "Dumped $size bytes."
