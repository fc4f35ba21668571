-- The logins that rotations made for the owner, in a table of this session. Only members may give away what a role owns and end its connections:
-- an administrator who is no superuser becomes one.
SET search_path = pg_catalog;
CREATE TEMPORARY TABLE rotated AS
SELECT DISTINCT m.rolname AS login FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member JOIN pg_roles AS o ON o.oid = a.roleid
WHERE o.rolname = :'owner' AND m.rolname ~ ('^' || left(:'owner', 54) || '_[0-9a-f]{8}$') AND m.rolname <> :'role';
SELECT format('GRANT %I TO %I', login, current_user) FROM pg_temp.rotated WHERE NOT pg_has_role(login, 'USAGE') \gexec
