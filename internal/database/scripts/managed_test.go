// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scripts_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

const masterPassword = "canary-master"

// newManaged is a server as RDS gives it: whoever administers it may make roles and databases, and is no superuser. It takes TLS only, and its
// log has every statement.
func newManaged(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.env["BEANPOD_DATABASE"], l.env["BEANPOD_USERNAME"] = "rdsadmin", "rdsadmin"
	l.write("app/username", "rdsadmin")
	l.start(nil)
	l.certify()
	for _, sql := range []string{
		"CREATE ROLE rds_superuser; GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION",
		"CREATE ROLE beanpod LOGIN CREATEROLE CREATEDB IN ROLE rds_superuser PASSWORD '" + masterPassword + "'",
		"ALTER SYSTEM SET log_statement = 'all'", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()",
	} {
		l.env["BEANPOD_DATABASE"] = "postgres"
		_, err := l.psql("postgres", adminPassword, sql)
		l.must(err)
	}
	_ = os.Truncate(l.dir+"/log", 0) // it tells how this test made the master
	l.write("admin/password", masterPassword)
	l.write("app/username", "Ebroot")
	for key, value := range map[string]string{
		"BEANPOD_DATABASE": "ebdb", "BEANPOD_USERNAME": "Ebroot", "BEANPOD_ADMIN_USERNAME": "beanpod", "PGSSLMODE": "require",
	} {
		l.env[key] = value
	}
	return l
}

// certify gives the server a certificate, and lets nobody in without TLS.
func (l *lab) certify() {
	l.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	l.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	l.must(err)
	private, err := x509.MarshalECPrivateKey(key)
	l.must(err)
	l.write("data/pgdata/server.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	l.write("data/pgdata/server.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
	l.write("run/hba.conf", "hostssl all all all scram-sha-256\n")
}

// master asks as the administrator.
func (l *lab) master(sql string) string {
	l.Helper()
	out, err := l.psql("beanpod", masterPassword, sql)
	l.must(err)
	return out
}

// killed runs a script again and again, and ends it a little later each time, until it comes to its end by itself. In between, so holds.
func (l *lab) killed(script string, so func()) {
	l.Helper()
	for wait := 4 * time.Millisecond; ; wait += wait / 4 {
		cmd := l.command(map[string]string{"BEANPOD_RUN": l.dir + "/run2"}, "sh", l.dir+"/scripts/"+script)
		alone(cmd)
		l.must(cmd.Start())
		timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		so()
		if err == nil {
			return
		}
		if wait > 10*time.Second {
			l.Fatalf("%s never ends by itself: %v", script, err)
		}
	}
}

// session is a connection that stays.
type session struct {
	*lab
	in   io.WriteCloser
	out  *bufio.Scanner
	wait func() error
}

func (l *lab) connect(role, password string) *session {
	l.Helper()
	cmd := l.command(map[string]string{"PGPASSWORD": password}, "psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", l.port, "-U", role, "-d", "ebdb")
	in, err := cmd.StdinPipe()
	l.must(err)
	out, err := cmd.StdoutPipe()
	l.must(err)
	l.must(cmd.Start())
	l.Cleanup(func() { _ = cmd.Process.Kill() })
	return &session{lab: l, in: in, out: bufio.NewScanner(out), wait: cmd.Wait}
}

// ask demands an answer of one line.
func (s *session) ask(sql, want string) {
	s.Helper()
	if _, err := io.WriteString(s.in, sql+";\n"); err != nil {
		s.Errorf("%s: %v", sql, err)
	}
	if !s.out.Scan() || s.out.Text() != want {
		s.Errorf("%s: %q, want %q", sql, s.out.Text(), want)
	}
}

// ends says whether the server has ended the connection: psql notices when it asks.
func (s *session) ends() bool {
	_, _ = io.WriteString(s.in, "SELECT 1;\n")
	_ = s.in.Close()
	return s.wait() != nil
}

// TestManaged plays the life of a database whose administrator is no superuser, with every script killed at many moments: its first login,
// two rotations with connections that live on, and everything that the old logins may not do afterwards.
func TestManaged(t *testing.T) {
	t.Parallel()
	l := newManaged(t)
	login := func(role, password string) bool { _, err := l.psql(role, password, "SELECT 1"); return err == nil }
	l.killed("login.sh", func() {
		if login("Ebroot", appPassword) {
			if got := l.query("SELECT datdba::regrole FROM pg_database WHERE datname = 'ebdb'"); got != `"Ebroot"` {
				t.Errorf("somebody can log in to a database of %s", got)
			}
		}
	})
	if got := l.query("SELECT rolsuper || ' ' || rolcreaterole || ' ' || rolcreatedb FROM pg_roles WHERE rolname = current_user"); got != "false false false" {
		t.Errorf("the application is %s", got)
	}
	l.query(`CREATE SCHEMA shop; CREATE TABLE shop.t (a int); ALTER ROLE current_user SET search_path = shop, public; CREATE EXTENSION citext`)
	if got := l.master("SELECT count(*) FROM shop.t"); got != "0" {
		t.Errorf("the administrator finds %s rows", got)
	}
	old := l.connect("Ebroot", appPassword)
	old.ask("INSERT INTO shop.t VALUES (1) RETURNING a", "1")

	for n, role := range []string{"Ebroot_0a1b2c3d", "Ebroot_99999999"} {
		password := "canary-of-" + role
		l.write("rotation/password", password)
		l.env["BEANPOD_ROLE"] = role
		l.killed("rotate.sh", func() { old.ask("INSERT INTO shop.t VALUES (0) RETURNING a", "0") })
		fresh := l.connect(role, password)
		fresh.ask("INSERT INTO t VALUES (2) RETURNING a, current_user, session_user", "2|Ebroot|"+role)
		fresh.ask("CREATE TABLE of_"+role[7:]+" (a int); SELECT 5", "5")
		old.ask("INSERT INTO t SELECT 3 FROM (SELECT count(*) FROM of_"+role[7:]+") x RETURNING a", "3")
		fresh.ask("SET ROLE NONE; CREATE TABLE shop.stray_"+role[7:]+" (a int); SET ROLE \"Ebroot\"; SELECT 6", "6") // as some poolers do

		l.write("rotation/password", "wrong")
		if message, err := l.script("retire.sh", nil); err == nil || !strings.Contains(message, "the old one was left") {
			t.Errorf("retire.sh with a new login that does not work: %q %v", message, err)
		}
		old.ask("INSERT INTO t VALUES (4) RETURNING a", "4")
		l.write("rotation/password", password)
		l.killed("retire.sh", func() { fresh.ask("INSERT INTO t VALUES (5) RETURNING a", "5") })
		if !old.ends() {
			t.Error("a connection of an old login lived on")
		}
		if login("Ebroot", appPassword) || n == 1 && login("Ebroot_0a1b2c3d", "canary-of-Ebroot_0a1b2c3d") {
			t.Error("an old login works after its end")
		}
		l.scripts("rotate.sh", "retire.sh") // once more does no harm
		fresh.ask("INSERT INTO t VALUES (6) RETURNING a", "6")
		old = fresh
	}
	if got := l.master(`SELECT (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname ~* '^ebroot') || ' ' ||
		(SELECT string_agg(DISTINCT tableowner, ',' ORDER BY tableowner) FROM pg_tables WHERE schemaname = 'shop')`); got != "Ebroot,Ebroot_99999999 Ebroot,Ebroot_99999999" {
		t.Errorf("in the end: %s", got)
	}
	if strings.Contains(l.logged(), "canary") || !strings.Contains(l.logged(), "SCRAM-SHA-256") {
		t.Errorf("the log of every statement shows a password, or none was set:\n%s", l.logged())
	}
	l.env["PGSSLMODE"] = "disable"
	if message, err := l.script("rotate.sh", nil); err == nil || !strings.Contains(message, "could not be made") {
		t.Errorf("without TLS: %q %v", message, err)
	}
}

// TestManagedRestore plays what a snapshot brings: logins of the database that it was taken of, which must end, and the new claim's password.
func TestManagedRestore(t *testing.T) {
	t.Parallel()
	l := newManaged(t)
	l.scripts("login.sh")
	l.write("rotation/password", "canary-first")
	l.env["BEANPOD_ROLE"] = "Ebroot_0a1b2c3d"
	l.scripts("rotate.sh", "retire.sh")
	l.queryAs("Ebroot_0a1b2c3d", "canary-first", "CREATE TABLE t AS SELECT 7 AS a")

	l.write("app/username", "Ebroot_0a1b2c3d") // another claim adopts it: nothing happens
	l.write("app/password", "canary-first")
	l.write("admin/password", "wrong")
	l.scripts("login.sh")
	l.write("app/password", "wrong")
	if message, err := l.script("login.sh", nil); err == nil || !strings.Contains(message, "The login Ebroot_0a1b2c3d of the Secret does not work") {
		t.Errorf("a login that is not there: %q %v", message, err)
	}

	l.write("app/username", "Ebroot")
	l.write("app/password", "canary-restored")
	if message, err := l.script("login.sh", nil); err == nil || !strings.Contains(message, `The administrator cannot log in: psql: error`) {
		t.Errorf("without its password: %q %v", message, err)
	}
	l.write("admin/password", masterPassword)
	l.env["BEANPOD_RESTORE"] = "final"
	l.killed("login.sh", func() {})
	if got := l.queryAs("Ebroot", "canary-restored", "SELECT a || ' ' || (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'Ebroot%') FROM t"); got != "7 1" {
		t.Errorf("after the restore: %s", got)
	}
	if strings.Contains(l.logged(), "canary") {
		t.Errorf("the log shows a password:\n%s", l.logged())
	}
}

// TestForeignSnapshot is a database whose administrator the application was: it stays so, with the claim's password.
func TestForeignSnapshot(t *testing.T) {
	t.Parallel()
	l := newManaged(t)
	l.env["BEANPOD_DATABASE"] = "postgres"
	_, err := l.psql("postgres", adminPassword, "CREATE DATABASE ebdb OWNER beanpod")
	l.must(err)
	l.env["BEANPOD_USERNAME"], l.env["BEANPOD_ADMIN_USERNAME"] = "beanpod", "nobody"
	l.env["BEANPOD_DATABASE"] = "ebdb"
	l.write("app/username", "beanpod")
	l.write("app/password", "canary-mine")
	l.scripts("login.sh", "login.sh")
	if got := l.queryAs("beanpod", "canary-mine", "SELECT 1"); got != "1" {
		t.Errorf("the application gets %s", got)
	}
	l.write("rotation/password", "canary-second")
	if message, err := l.script("rotate.sh", map[string]string{"BEANPOD_ROLE": "beanpod_00000000"}); err == nil || !strings.Contains(message, "could not be made") {
		t.Errorf("a rotation of the administrator: %q %v", message, err)
	}
	l.queryAs("beanpod", "canary-mine", "SELECT 1")
}

func (l *lab) queryAs(role, password, sql string) string {
	l.Helper()
	out, err := l.psql(role, password, sql)
	l.must(err)
	return out
}
