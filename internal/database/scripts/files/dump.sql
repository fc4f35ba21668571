-- The manifest and the dump see the same moment.
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_catalog.pg_export_snapshot() AS snapshot \gset
\setenv BEANPOD_SNAPSHOT :snapshot
\o :manifest
\ir manifest.sql
\o
\! pg_dump --format=custom --snapshot="$BEANPOD_SNAPSHOT" --file="$BEANPOD_WORK/dump" && : >"$BEANPOD_WORK/dumped"
COMMIT;
