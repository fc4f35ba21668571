-- Whoever runs this made the owner, or is a superuser: since PostgreSQL 16 nobody else may let the new login become the owner, the owner itself included.
\ir rotated.sql
BEGIN;
-- Clients that reset their session make things that belong to the role they logged in as. They go back to the owner of all else.
SELECT format('REASSIGN OWNED BY %I TO %I', login, :'owner') FROM pg_temp.rotated \gexec
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS missing \gset
\if :missing
CREATE ROLE :"role" IN ROLE :"owner";
\endif
ALTER ROLE :"role" LOGIN INHERIT;
\password :"role"
-- What the owner set for itself counts for the new login too.
SELECT format('SELECT pg_catalog.set_config(%L, %L, false)', split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)),
  format('ALTER ROLE %I SET %s FROM CURRENT', :'role', split_part(c, '=', 1)), 'RESET ' || split_part(c, '=', 1)
FROM pg_db_role_setting, unnest(setconfig) AS c
WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = :'owner') AND setdatabase = 0 AND split_part(c, '=', 1) <> 'role'
\o /dev/null
\gexec
\o
ALTER ROLE :"role" SET role = :'owner';
COMMIT;
