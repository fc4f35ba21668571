\set password `printf %s "${BEANPOD_PASSWORD:-}"`
SET log_min_error_statement = panic; -- statements hold passwords
SET log_statement = 'none';
CREATE ROLE :"owner" LOGIN;
SELECT :'password' <> '' AS given \gset
\if :given
ALTER ROLE :"owner" PASSWORD :'password';
\endif
CREATE DATABASE :"database" OWNER :"owner";
-- Nobody else's connections, also where the default is that everybody may connect.
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
