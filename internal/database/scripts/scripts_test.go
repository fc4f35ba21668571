// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scripts_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServer plays the life of a server: who may log in, a fast stop with a client, a kill, and a superuser's Secret that was lost.
func TestServer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(nil)
	l.query(`CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000)`)
	if got := l.query(`SELECT rolsuper || ' ' || rolcreaterole || ' ' || (SELECT datdba::regrole FROM pg_database WHERE datname = 'ebdb') FROM pg_roles WHERE rolname = current_user`); got != `false false "Ebroot"` {
		t.Errorf("the application's user: %s", got)
	}
	for _, c := range []struct {
		role, password string
		works          bool
	}{{"Ebroot", appPassword, true}, {"Ebroot", "wrong", false}, {"Ebroot", "", false}, {"postgres", adminPassword, true}, {"postgres", appPassword, false}} {
		if _, err := l.psql(c.role, c.password, "SELECT 1"); (err == nil) != c.works {
			t.Errorf("login of %s with %q: %v", c.role, c.password, err)
		}
	}
	l.scripts("alive.sh", "started.sh", "ready.sh")
	l.write("app/password", "wrong")
	if _, err := l.script("ready.sh", nil); err == nil {
		t.Error("ready with a wrong password")
	}
	l.scripts("alive.sh", "started.sh")
	l.write("app/password", appPassword)

	client := l.command(map[string]string{"PGPASSWORD": appPassword}, "psql", "-X", "-h", "127.0.0.1", "-p", l.port, "-U", "Ebroot", "-d", "ebdb", "-c", "SELECT pg_sleep(60)")
	l.must(client.Start())
	for l.query(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'`) == "0" {
		time.Sleep(50 * time.Millisecond)
	}
	before := time.Now()
	l.must(l.inside("stop.sh"))
	_ = l.server.Process.Signal(syscall.SIGTERM) // as the kubelet does after the hook
	if err := l.server.Wait(); err != nil || time.Since(before) > 20*time.Second {
		t.Errorf("stopped after %s: %v", time.Since(before), err)
	}
	if err := client.Wait(); err == nil {
		t.Error("the client was not disconnected")
	}
	l.server = nil
	if _, err := l.script("alive.sh", nil); err == nil {
		t.Error("alive although stopped")
	}

	l.start(nil)
	l.query(`INSERT INTO t SELECT generate_series(1001, 2000)`)
	l.kill()
	l.must(os.Chmod(l.dir+"/data/pgdata", 0o770)) // as a volume's group gets it
	l.write("admin/password", "canary-other")
	l.start(nil)
	if got := l.query(`SELECT count(*) || ' ' || sum(a) FROM t`); got != "2000 2001000" {
		t.Errorf("after a kill there are %s", got)
	}
	if _, err := l.psql("postgres", "canary-other", "SELECT 1"); err != nil {
		t.Errorf("the superuser's new Secret: %v", err)
	}
	if strings.Contains(l.logged(), "canary") {
		t.Errorf("the log shows a password:\n%s", l.logged())
	}
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(os.Truncate(l.dir+"/app/password", 0))
	l.fails(nil, "app/password is missing or empty")
	l.write("app/password", appPassword)
	l.write("admin/password", "it's")
	l.fails(nil, "other characters")
	l.write("admin/password", adminPassword)
	l.must(os.RemoveAll(l.dir + "/data/pgdata"))
	l.fails(map[string]string{"BEANPOD_USERNAME": "postgres"}, "The database ebdb or its user postgres could not be made")
	if l.has("data/pgdata")() {
		t.Error("a database that could not be made counts as one")
	}
	l.must(os.RemoveAll(l.dir + "/data/pgdata.new"))
	l.write("scripts/complete", "yes") // the volume was lost, or a backup brought it back empty
	l.fails(nil, "no empty one is made in its place")
	if l.has("data/pgdata")() || l.has("data/pgdata.new")() {
		t.Error("an empty database was made where there was one")
	}
}

// TestOtherMajor proves that data of another major version are left alone, with a message that says what to do.
func TestOtherMajor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(nil)
	l.kill()
	version, err := os.ReadFile(l.dir + "/data/pgdata/PG_VERSION")
	l.must(err)
	l.write("data/pgdata/PG_VERSION", "9\n")
	l.fails(nil, "The data are those of PostgreSQL 9, and the image has PostgreSQL "+strings.TrimSpace(string(version)))
	l.write("data/pgdata/PG_VERSION", string(version))
	l.start(nil)
}

// TestCrash kills a database that is made and restored, at every stage of it, and in the end everything is there.
func TestCrash(t *testing.T) {
	t.Parallel()
	source := newLab(t)
	source.start(nil)
	source.fill()
	source.scripts("dump.sh")
	want := source.rows()
	l := newLab(t)
	text, err := os.ReadFile(source.dir + "/work/snapshot.tar")
	l.must(err)
	l.write("work/snapshot.tar", string(text))
	restore := map[string]string{"BEANPOD_RESTORE": "final"}
	stages := []struct {
		name string
		seen func() bool
	}{
		{"initdb began", l.has("data/pgdata.new")},
		{"initdb is nearly ready", l.has("data/pgdata.new/base/1/PG_VERSION")},
		{"the first server runs", l.has("data/pgdata.new/postmaster.pid")},
		{"the restore began", l.has("work/restore.log")},
		{"the restore goes on", after(200*time.Millisecond, l.has("work/restore.log"))},
		{"the comparison began", l.has("work/restored")},
		{"the comparison is over", l.nonempty("work/restored")},
		{"it has its name", l.has("data/pgdata")},
	}
	for _, stage := range stages {
		for _, name := range []string{"work/restore.log", "work/restored"} {
			_ = os.Remove(l.dir + "/" + name)
		}
		l.begin(restore)
		for deadline := time.Now().Add(time.Minute); !stage.seen(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("stage %q was never seen:\n%s", stage.name, l.logged())
			}
		}
		l.kill()
		if complete := l.has("data/pgdata")(); complete != (stage.name == "it has its name") {
			t.Errorf("killed when %s: complete is %t", stage.name, complete)
		}
	}
	l.must(os.Remove(l.dir + "/work/snapshot.tar")) // it is needed no more
	l.start(restore)
	if got := l.rows(); got != want {
		t.Errorf("after all the kills there is %s, want %s", got, want)
	}
	for i := range 3 { // and later kills lose nothing that was committed
		l.query(`CREATE TABLE IF NOT EXISTS late (a int); INSERT INTO late VALUES (1)`)
		l.kill()
		l.start(restore)
		if got := l.query(`SELECT count(*) FROM late`); got != string(rune('1'+i)) {
			t.Errorf("%s rows after kill %d", got, i+1)
		}
	}
	if got := l.rows(); got != want {
		t.Errorf("after later kills there is %s, want %s", got, want)
	}
}

func (l *lab) has(name string) func() bool {
	return func() bool { _, err := os.Lstat(l.dir + "/" + name); return err == nil }
}

func (l *lab) nonempty(name string) func() bool {
	return func() bool { info, err := os.Stat(l.dir + "/" + name); return err == nil && info.Size() > 0 }
}

// after is true some time after something was seen first.
func after(pause time.Duration, seen func() bool) func() bool {
	var since time.Time
	return func() bool {
		if since.IsZero() && seen() {
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) > pause
	}
}

// TestRotation plays two rotations: during each both logins work, afterwards only the new one, and everything stays the owner's.
func TestRotation(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(nil)
	l.query(`CREATE SCHEMA shop; ALTER ROLE current_user SET search_path = shop, public; ALTER ROLE current_user SET work_mem = '5MB'`)
	l.query(`CREATE TABLE t (a int)`)
	first := l.rotate("Ebroot_0a1b2c3d", "canary-first")
	first(`INSERT INTO t VALUES (1); CREATE TABLE mine (a int)`)
	l.query(`INSERT INTO mine VALUES (1)`)
	if got := first(`SELECT current_user || ' ' || session_user || ' ' || current_setting('search_path') || ' ' || current_setting('work_mem') || ' ' || (SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'shop')`); got != "Ebroot Ebroot_0a1b2c3d shop, public 5MB Ebroot" {
		t.Errorf("the new login: %s", got)
	}
	if _, err := l.psql("Ebroot_0a1b2c3d", "canary-first", `ALTER ROLE "Ebroot" SUPERUSER`); err == nil {
		t.Error("the new login made itself a superuser")
	}
	l.scripts("rotate.sh") // once more does no harm

	l.write("rotation/password", "wrong")
	if message, err := l.script("retire.sh", nil); err == nil || !strings.Contains(message, "the old one was left") {
		t.Errorf("retire.sh with a new login that does not work: %q %v", message, err)
	}
	l.query("SELECT 1")
	l.write("rotation/password", "canary-first")
	old := l.command(map[string]string{"PGPASSWORD": appPassword}, "psql", "-X", "-h", "127.0.0.1", "-p", l.port, "-U", "Ebroot", "-d", "ebdb", "-c", "SELECT pg_sleep(60)")
	l.must(old.Start())
	for first(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'`) == "0" {
		time.Sleep(50 * time.Millisecond)
	}
	l.scripts("retire.sh", "retire.sh")
	if err := old.Wait(); err == nil {
		t.Error("a connection of the old login lived on")
	}
	if _, err := l.psql("Ebroot", appPassword, "SELECT 1"); err == nil {
		t.Error("the old login works after its end")
	}
	l.write("app/username", "Ebroot_0a1b2c3d")
	l.write("app/password", "canary-first")
	l.scripts("ready.sh")

	first(`SET ROLE NONE; SET search_path = shop; CREATE TABLE shop.stray (a int)`)
	second := l.rotate("Ebroot_99999999", "canary-second")
	second(`INSERT INTO shop.stray VALUES (1)`)
	first(`INSERT INTO t VALUES (2)`)
	l.scripts("retire.sh")
	if _, err := l.psql("Ebroot_0a1b2c3d", "canary-first", "SELECT 1"); err == nil {
		t.Error("the second login works after its end")
	}
	if got := second(`SELECT (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'Ebroot%') || ' ' || (SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'shop') || ' ' || (SELECT sum(a) FROM t)`); got != "Ebroot,Ebroot_99999999 Ebroot 3" {
		t.Errorf("in the end: %s", got)
	}
	if strings.Contains(l.logged(), "canary") {
		t.Errorf("the log shows a password:\n%s", l.logged())
	}
}

// rotate adds a login and returns what asks as it.
func (l *lab) rotate(role, password string) func(string) string {
	l.Helper()
	l.write("rotation/password", password)
	l.env["BEANPOD_ROLE"] = role
	l.scripts("rotate.sh")
	return func(sql string) string {
		l.Helper()
		out, err := l.psql(role, password, sql)
		l.must(err)
		return out
	}
}
