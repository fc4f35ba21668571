-- The logins that rotations made for the owner, in a table of this session.
SET log_min_error_statement = panic; -- statements hold passwords
SET log_statement = 'none';
SET search_path = pg_catalog;
CREATE TEMPORARY TABLE rotated AS
SELECT m.rolname AS login FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member JOIN pg_roles AS o ON o.oid = a.roleid
WHERE o.rolname = :'owner' AND m.rolname ~ ('^' || left(:'owner', 54) || '_[0-9a-f]{8}$') AND m.rolname <> :'role';
