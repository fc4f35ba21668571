-- One line for each table: its name, how many rows it has, and a sum over them that does not depend on their order. Views, sequences
-- and what extensions bring are not compared. Functions of the database's users are never called.
SET search_path = pg_catalog;
SET row_security = off;
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET datestyle = 'ISO, YMD'; SET intervalstyle = iso_8601; SET timezone = 'UTC';
SET extra_float_digits = 1; SET bytea_output = hex; SET xmlbinary = base64; SET lc_monetary = 'C';
SELECT format(
  'SELECT %L, count(*), coalesce(sum((''x'' || substr(md5(textin(record_out(t))), 1, 15))::bit(60)::bigint), 0) FROM ONLY %I.%I AS t',
  format('table %I.%I', n.nspname, c.relname), n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
\gexec
SELECT 'large objects', count(*), coalesce(sum(('x' || substr(md5(oid::text || encode(lo_get(oid), 'hex')), 1, 15))::bit(60)::bigint), 0)
FROM pg_largeobject_metadata;
SELECT 'relations ' || c.relkind::text, count(*)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY c.relkind ORDER BY c.relkind::text COLLATE "C";
