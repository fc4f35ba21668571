-- The owner may log in last of all: whoever can, finds everything.
SET search_path = pg_catalog;
SELECT :'owner' = current_user AS itself, :'restored' <> '' AS restored,
  NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') AS ownerless, NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') AS baseless \gset
\if :itself
\password :"owner"
\quit
\endif
\if :ownerless
CREATE ROLE :"owner";
\endif
SELECT format('GRANT %I TO %I', :'owner', current_user) WHERE NOT pg_has_role(:'owner', 'USAGE') \gexec
\if :baseless
CREATE DATABASE :"database" OWNER :"owner";
\endif
-- Nobody else's connections, also where the default is that everybody may connect.
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
\if :restored
\connect :"database"
\set role ''
\ir retire.sql
\endif
BEGIN;
ALTER ROLE :"owner" LOGIN;
\password :"owner"
COMMIT;
