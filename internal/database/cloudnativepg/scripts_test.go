// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

// lab is a real server, in which the test plays what CloudNativePG does with roles.
type lab struct {
	*testing.T
	dir, bin, port string
	account        *syscall.Credential
}

func newLab(t *testing.T) *lab {
	t.Helper()
	bin := filepath.Dir(servers.Database(t, "/usr/lib/postgresql/*/bin/initdb"))
	dir, account := servers.Folder(t)
	l := &lab{T: t, dir: dir, bin: bin, port: servers.FreePort(t), account: account}
	l.program("initdb", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--pgdata="+dir+"/data")
	l.program("pg_ctl", "start", "--wait", "--pgdata="+dir+"/data", "--log="+dir+"/log", "--options=-c port="+l.port+" -c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories="+dir)
	t.Cleanup(func() { l.program("pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata="+dir+"/data") })
	return l
}

func (l *lab) program(name string, args ...string) {
	l.Helper()
	cmd := exec.Command(filepath.Join(l.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = l.dir, &syscall.SysProcAttr{Credential: l.account}
	if out, err := cmd.CombinedOutput(); err != nil && name != "pg_ctl" || err != nil && args[0] == "start" {
		l.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// sql asks as the superuser, or as somebody with a password.
func (l *lab) sql(who, password, sql string) (string, error) {
	host := "127.0.0.1"
	if who == "postgres" {
		host = l.dir
	}
	cmd := exec.Command(filepath.Join(l.bin, "psql"), "-X", "-h", host, "-p", l.port, "-U", who, "-d", "ebdb", "-v", "ON_ERROR_STOP=1", "-Atc", sql)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (l *lab) must(who, password, sql string) string {
	l.Helper()
	out, err := l.sql(who, password, sql)
	if err != nil {
		l.Fatalf("%s: %s: %v", who, sql, out)
	}
	return out
}

// run runs the script of a step's Job, as the Job would, and returns the sentence that people see.
func (l *lab) run(w database.Wanted, o database.Object, password string) (string, error) {
	l.Helper()
	containers, _, _ := unstructured.NestedSlice(o.Intent, "spec", "template", "spec", "containers")
	command, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "command")
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "$$", "$") // as the kubelet does
	}
	cmd := exec.Command(command[0], command[1:]...)
	for name, value := range map[string]string{"password": password, "message": ""} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(value), 0o600); err != nil {
			l.Fatal(err)
		}
	}
	cmd.Env = []string{"PATH=" + l.bin + ":" + os.Getenv("PATH"), "BEANPOD_TRIES=2"}
	list, _, _ := unstructured.NestedSlice(containers[0].(map[string]any), "env")
	for _, item := range list {
		v := item.(map[string]any)
		cmd.Env = append(cmd.Env, fmt.Sprint(v["name"], "=", v["value"]))
	}
	cmd.Env = append(cmd.Env, "PGHOST=127.0.0.1", "PGPORT="+l.port, "BEANPOD_PASSWORD_FILE="+l.dir+"/password", "BEANPOD_MESSAGE="+l.dir+"/message")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), password) {
		l.Errorf("the script shows the password:\n%s", out)
	}
	message, _ := os.ReadFile(filepath.Join(l.dir, "message"))
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(message), err
}

// TestScripts plays two rotations in a real server: whose everything is, and who may log in.
func TestScripts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	w := wanted(func(w *database.Wanted) { w.Username = `Eb "root"` })
	owner := `"Eb ""root"""`
	l.program("createdb", "--host="+l.dir, "--port="+l.port, "--username=postgres", "ebdb")
	l.must("postgres", "", "CREATE ROLE "+owner+" LOGIN PASSWORD 'first'; ALTER DATABASE ebdb OWNER TO "+owner)
	l.must("postgres", "", "ALTER ROLE "+owner+` SET search_path = public, "odd one"; ALTER ROLE `+owner+" SET work_mem = '8MB'; ALTER ROLE "+owner+" SET log_statement = 'all'")
	l.must(w.Username, "first", "CREATE TABLE public.a AS SELECT 1 AS n")
	have := serves(t, w, "[]", "{}")
	one, two := provider.Rotation(w, "one"), provider.Rotation(w, "two")
	add := func(r database.Rotation, password string, groups string) {
		t.Helper()
		o := provider.Add(w, r, have)[1]
		if message, err := l.run(w, o, password); err == nil || !strings.Contains(message, "The new login "+r.Role+" does not work") {
			t.Errorf("a login that is not made: %q, %v", message, err)
		}
		l.must("postgres", "", `CREATE ROLE "`+strings.ReplaceAll(r.Role, `"`, `""`)+`" LOGIN PASSWORD '`+password+`' IN ROLE `+groups)
		for range 2 { // a step may be repeated
			if message, err := l.run(w, o, password); err != nil {
				t.Fatalf("add: %s, %v", message, err)
			}
		}
	}
	quote := func(r database.Rotation) string { return `"` + strings.ReplaceAll(r.Role, `"`, `""`) + `"` }

	add(one, "canary-second", owner)
	if got := l.must(one.Role, "canary-second", "SELECT current_user || ' ' || session_user || ' ' || current_setting('search_path') || ' ' || current_setting('work_mem')"); got != w.Username+" "+one.Role+` public, "odd one" 8MB` {
		t.Errorf("the new login is %s", got)
	}
	l.must(one.Role, "canary-second", "CREATE TABLE public.b AS SELECT 2 AS n; ALTER TABLE public.a ADD m int")
	l.must(one.Role, "canary-second", "SET ROLE NONE; CREATE SCHEMA forgetful; CREATE TABLE forgetful.c AS SELECT 3 AS n")
	l.must(w.Username, "first", "SELECT 1")

	end := provider.Drop(w, one, have)[1]
	if message, err := l.run(w, end, "canary-second"); err == nil || !strings.Contains(message, "can still log in") {
		t.Errorf("an owner that can still log in: %q, %v", message, err)
	}
	idle := exec.Command(filepath.Join(l.bin, "psql"), "-X", "-h", "127.0.0.1", "-p", l.port, "-U", w.Username, "-d", "ebdb", "-c", "SELECT pg_sleep(60)")
	idle.Env = append(os.Environ(), "PGPASSWORD=first")
	if err := idle.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); l.must("postgres", "", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'") == "0"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the client never connected")
		}
	}
	l.must("postgres", "", "ALTER ROLE "+owner+" NOLOGIN PASSWORD NULL")
	for range 2 {
		if message, err := l.run(w, end, "canary-second"); err != nil {
			t.Fatalf("end: %s, %v", message, err)
		}
	}
	if err := idle.Wait(); err == nil {
		t.Error("the old login's connection was not ended")
	}

	add(two, "canary-third", owner+", "+quote(one))
	l.must(one.Role, "canary-second", "SET ROLE NONE; CREATE TABLE forgetful.d AS SELECT 4 AS n; GRANT SELECT ON forgetful.d TO PUBLIC")
	l.must("postgres", "", "ALTER ROLE "+quote(one)+" NOLOGIN PASSWORD NULL")
	if message, err := l.run(w, provider.Drop(w, two, have)[1], "canary-third"); err != nil {
		t.Fatalf("end: %s, %v", message, err)
	}
	l.must("postgres", "", "DROP ROLE "+quote(one)) // as CloudNativePG does later: nothing depends on it
	others := l.must("postgres", "", "SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'forgetful') AND relowner <> '"+owner+"'::regrole"+
		" UNION SELECT nspname FROM pg_namespace WHERE nspname = 'forgetful' AND nspowner <> '"+owner+"'::regrole")
	if others != "" {
		t.Errorf("these do not belong to the owner: %s", others)
	}
	if _, err := l.sql(one.Role, "canary-second", "SELECT 1"); err == nil {
		t.Error("the login of the first rotation works")
	}
	l.must(two.Role, "canary-third", "SELECT n FROM a UNION SELECT n FROM b UNION SELECT n FROM forgetful.c UNION SELECT n FROM forgetful.d")
}
