# Ends the connections of the old logins once CloudNativePG has taken these away, and hands over what belongs to them, as the new login.
left='SELECT count(*) FROM pg_catalog.pg_auth_members AS a JOIN pg_catalog.pg_roles AS m ON m.oid = a.member JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid
  WHERE m.rolname = session_user AND g.rolcanlogin'
tries=0
until answer=$(run_sql --command="$left" 2>&1) && [ "$answer" = 0 ]; do
  tries=$((tries + 1))
  [ $tries -lt "${BEANPOD_TRIES:-60}" ] || fail "The old logins can still log in: CloudNativePG has not changed the roles ($answer)."
  sleep 2
done
run_sql <<'SQL' || fail "The connections of the old logins could not be ended; the log of this container says why."
SET ROLE NONE;
SET search_path = pg_catalog;
CREATE TEMPORARY TABLE others AS
SELECT g.rolname AS login FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member JOIN pg_roles AS g ON g.oid = a.roleid
WHERE m.rolname = :'role';
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN (SELECT login FROM others) \g /dev/null
BEGIN;
SELECT format('REASSIGN OWNED BY %I TO %I', login, :'owner'), format('DROP OWNED BY %I', login) FROM others WHERE login <> :'owner' \gexec
COMMIT;
SQL
