# Restores the dump into a server that is thrown away, and compares what is in it with the manifest.
. "$(dirname "$0")/lib.sh"
rm -rf "$BEANPOD_WORK/check"
unpack "$BEANPOD_WORK/snapshot.tar"
initialise "$BEANPOD_WORK/check" --auth=trust --no-sync
listen_locally "$BEANPOD_WORK/check" '-c fsync=off -c full_page_writes=off -c max_wal_size=256MB'
make_database
restore
compare
pg_ctl stop --silent --wait --mode=immediate --pgdata="$BEANPOD_WORK/check"
rm -rf "$BEANPOD_WORK/check" "$BEANPOD_WORK/manifest" "$BEANPOD_WORK/dump"
echo "Restored the dump and found in it what it must hold."
