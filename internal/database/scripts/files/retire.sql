-- Ends every login of the owner but the newest. What they made stays, as the owner's.
\ir rotated.sql
ALTER ROLE :"owner" NOLOGIN;
SELECT format('ALTER ROLE %I NOLOGIN', login) FROM pg_temp.rotated \gexec
\o /dev/null
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :'owner' OR usename IN (SELECT login FROM pg_temp.rotated);
\o
BEGIN;
SELECT format('REASSIGN OWNED BY %I TO %I', login, :'owner'), format('DROP OWNED BY %I', login), format('DROP ROLE %I', login)
FROM pg_temp.rotated \gexec
COMMIT;
