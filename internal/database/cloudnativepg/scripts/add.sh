# Makes the new login act as the database's owner, as that login itself: a role may change its own settings, and hand over what belongs to
# roles that it is in.
tries=0
until error=$(run_sql --command='SELECT' 2>&1); do # until CloudNativePG has made it
  tries=$((tries + 1))
  [ $tries -lt "${BEANPOD_TRIES:-60}" ] || fail "The new login $PGUSER does not work: $error"
  sleep 2
done
run_sql <<'SQL' || fail "The new login $PGUSER could not be made to act as $BEANPOD_OWNER; the log of this container says why."
SET ROLE NONE;
SET search_path = pg_catalog;
BEGIN;
-- Clients that reset their session make things that belong to the role they logged in as. They go back to the owner of all else.
SELECT format('REASSIGN OWNED BY %I TO %I', g.rolname, :'owner')
FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member JOIN pg_roles AS g ON g.oid = a.roleid
WHERE m.rolname = :'role' AND g.rolname <> :'owner' \gexec
SELECT format('REASSIGN OWNED BY %I TO %I', :'role', :'owner') \gexec
-- What the owner set for itself counts for the new login too.
SELECT set_config('beanpod.owner', :'owner', true) \g /dev/null
DO $do$
DECLARE
  setting record;
BEGIN
  FOR setting IN
    SELECT split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
    FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS c
    WHERE setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_setting('beanpod.owner')) AND setdatabase = 0 AND split_part(c, '=', 1) <> 'role'
  LOOP
    BEGIN
      PERFORM pg_catalog.set_config(setting.name, setting.value, true);
      EXECUTE pg_catalog.format('ALTER ROLE %I SET %s FROM CURRENT', session_user, setting.name);
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE WARNING 'The setting % of % is not taken over, because only a superuser may set it.', setting.name, pg_catalog.current_setting('beanpod.owner');
    END;
  END LOOP;
END $do$;
ALTER ROLE :"role" SET role = :'owner';
COMMIT;
SQL
