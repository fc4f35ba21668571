// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scripts_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

const (
	appPassword   = "canary-app-It's"
	adminPassword = "canary-admin"
)

// lab is one database as its pods see it: folders for what they mount, and the scripts, run by a real PostgreSQL.
type lab struct {
	*testing.T
	dir, port string
	env       map[string]string
	uid, gid  uint32
	server    *exec.Cmd
	log       *os.File
}

// newLab skips without PostgreSQL. As root it runs everything as the account postgres, which Debian's package makes.
func newLab(t *testing.T) *lab {
	t.Helper()
	servers.Database(t, "/usr/lib/postgresql/*/bin/initdb")
	dir, account := servers.Folder(t)
	l := &lab{T: t, dir: dir, port: servers.FreePort(t), uid: account.Uid, gid: account.Gid}
	l.env = map[string]string{
		"PATH": os.Getenv("PATH"), "BEANPOD_DATABASE": "ebdb", "BEANPOD_USERNAME": "Ebroot", "BEANPOD_PORT": l.port, "BEANPOD_MESSAGE": dir + "/message",
		"BEANPOD_DATA": dir + "/data", "BEANPOD_WORK": dir + "/work", "BEANPOD_RUN": dir + "/run",
		"BEANPOD_APP": dir + "/app", "BEANPOD_ADMIN": dir + "/admin", "BEANPOD_ROTATION": dir + "/rotation",
	}
	for _, sub := range []string{"data", "work", "run", "app", "admin", "rotation"} {
		l.must(os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	l.must(os.CopyFS(dir+"/scripts", os.DirFS("files")))
	l.write("app/password", appPassword)
	l.write("app/username", "Ebroot")
	l.write("admin/password", adminPassword)
	l.own()
	t.Cleanup(l.kill)
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// own gives everything to the account that runs PostgreSQL.
func (l *lab) own() {
	l.Helper()
	l.must(filepath.WalkDir(l.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(l.uid), int(l.gid))
	}))
}

func (l *lab) write(name, text string) {
	l.Helper()
	path := filepath.Join(l.dir, name)
	l.must(os.WriteFile(path, []byte(text), 0o600))
	l.must(os.Chown(path, int(l.uid), int(l.gid)))
}

func (l *lab) command(env map[string]string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	for _, group := range []map[string]string{l.env, env} {
		for k, v := range group {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	cmd.Dir = l.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: l.uid, Gid: l.gid}
	}
	return cmd
}

// script runs one to its end, and returns what it wrote and the message that people see.
func (l *lab) script(name string, env map[string]string) (message string, err error) {
	l.Helper()
	_ = os.Remove(l.dir + "/message")
	run := map[string]string{"BEANPOD_RUN": l.dir + "/run2"} // containers do not share it
	l.must(os.MkdirAll(l.dir+"/run2", 0o700))
	l.must(os.Chown(l.dir+"/run2", int(l.uid), int(l.gid)))
	for k, v := range env {
		run[k] = v
	}
	cmd := l.command(run, "sh", l.dir+"/scripts/"+name)
	alone(cmd)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "canary") {
		l.Errorf("%s shows a password:\n%s", name, out)
	}
	text, _ := os.ReadFile(l.dir + "/message")
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(text), err
}

// inside runs a script where the server runs, as the kubelet does.
func (l *lab) inside(name string) error {
	args := []string{"--target", strconv.Itoa(l.server.Process.Pid), "--pid", "--setuid", fmt.Sprint(l.uid), "--setgid", fmt.Sprint(l.gid)}
	if os.Getuid() != 0 {
		args = []string{"--target", strconv.Itoa(l.server.Process.Pid), "--pid", "--user", "--preserve-credentials"}
	}
	cmd := l.command(nil, "nsenter", append(args, "sh", l.dir+"/scripts/"+name)...)
	cmd.SysProcAttr.Credential = nil
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

func (l *lab) scripts(names ...string) {
	l.Helper()
	for _, name := range names {
		if message, err := l.script(name, nil); err != nil {
			l.Fatalf("%v\n%s", err, message)
		}
	}
}

// alone makes a command the first process of a namespace of its own, as in a container: with it, everything ends.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr.Cloneflags, cmd.SysProcAttr.Setsid = syscall.CLONE_NEWPID, true // no terminal that psql could ask
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
}

// begin runs start.sh.
func (l *lab) begin(env map[string]string) {
	l.Helper()
	_ = os.Remove(l.dir + "/message")
	log, err := os.OpenFile(l.dir+"/log", os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	l.must(err)
	l.log, l.server = log, l.command(env, "sh", l.dir+"/scripts/start.sh")
	l.server.Stdout, l.server.Stderr = log, log
	alone(l.server)
	l.must(l.server.Start())
}

// kill is the worst end.
func (l *lab) kill() {
	if l.server == nil {
		return
	}
	_ = l.server.Process.Kill()
	_ = l.server.Wait()
	_ = l.log.Close()
	l.server = nil
}

// start waits until the application can log in.
func (l *lab) start(env map[string]string) {
	l.Helper()
	l.begin(env)
	deadline := time.Now().Add(time.Minute)
	for {
		if _, err := l.script("ready.sh", nil); err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("PostgreSQL is not ready:\n%s", l.logged())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (l *lab) logged() string {
	text, _ := os.ReadFile(l.dir + "/log")
	return string(text)
}

// fails demands that start.sh ends, with a message.
func (l *lab) fails(env map[string]string, says string) {
	l.Helper()
	l.begin(env)
	timer := time.AfterFunc(time.Minute, func() { _ = l.server.Process.Kill() })
	err := l.server.Wait()
	timer.Stop()
	l.server = nil
	text, _ := os.ReadFile(l.dir + "/message")
	if err == nil || !strings.Contains(string(text), says) {
		l.Errorf("start.sh: %v, message %q, want %q in it\n%s", err, text, says, l.logged())
	}
	if strings.Contains(l.logged()+string(text), "canary") {
		l.Errorf("start.sh shows a password:\n%s", l.logged())
	}
}

func (l *lab) psql(role, password, sql string) (string, error) {
	cmd := l.command(map[string]string{"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"}, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
		"-h", "127.0.0.1", "-p", l.port, "-U", role, "-d", l.env["BEANPOD_DATABASE"], "-c", sql)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", sql, err, problem.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// query as the application.
func (l *lab) query(sql string) string {
	l.Helper()
	out, err := l.psql(l.env["BEANPOD_USERNAME"], appPassword, sql)
	l.must(err)
	return out
}

// rows are what a database holds, in one word.
func (l *lab) rows() string {
	l.Helper()
	return l.query(`SET datestyle = ISO; SELECT (SELECT count(*) || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.orders t) || (SELECT count(*) || md5(string_agg(t::text, ',' ORDER BY t::text)) FROM odd t)
		|| (SELECT md5(string_agg(lo_get(oid)::text, ',' ORDER BY oid)) FROM pg_largeobject_metadata)`)
}

// fill makes what applications have: schemas, keys, partitions, all kinds of values, large objects, extensions, functions and views.
func (l *lab) fill() {
	l.Helper()
	l.query(`CREATE EXTENSION citext; CREATE EXTENSION hstore; COMMENT ON EXTENSION citext IS 'ours'`)
	l.query(`CREATE SCHEMA shop; CREATE TYPE shop.state AS ENUM ('new', 'paid');
		CREATE TABLE shop.customers (id serial PRIMARY KEY, name citext UNIQUE NOT NULL);
		CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES shop.customers, state shop.state DEFAULT 'new',
			price numeric(12,2), weight float8, at timestamptz DEFAULT now(), lasts interval, doc jsonb, raw bytea, tags text[], cost money, more hstore,
			total numeric GENERATED ALWAYS AS (price * 2) STORED);
		INSERT INTO shop.customers (name) SELECT 'Customer ' || i FROM generate_series(1, 50) i;
		INSERT INTO shop.orders (customer, state, price, weight, lasts, doc, raw, tags, cost, more)
			SELECT 1 + i % 50, 'paid', i / 7.0, i / 3.0, i * interval '1 hour', jsonb_build_object('i', i), decode(md5(i::text), 'hex'), ARRAY[i::text, NULL], i::money, hstore('k', i::text)
			FROM generate_series(1, 20000) i;
		CREATE INDEX ON shop.orders (at); CREATE VIEW shop.paid AS SELECT * FROM shop.orders WHERE state = 'paid';
		CREATE MATERIALIZED VIEW shop.sums AS SELECT customer, sum(price) FROM shop.orders GROUP BY customer`)
	l.query(`CREATE TABLE "Odd ""name" ("a b" text); INSERT INTO "Odd ""name" VALUES (E'line\nline'), (NULL), ('');
		CREATE TABLE odd (k int, v text) PARTITION BY LIST (k); CREATE TABLE odd_1 PARTITION OF odd FOR VALUES IN (1); CREATE TABLE odd_2 PARTITION OF odd DEFAULT;
		INSERT INTO odd SELECT i % 3, repeat('x', i) FROM generate_series(1, 300) i; CREATE TABLE empty (); CREATE UNLOGGED TABLE u (a int); INSERT INTO u VALUES (1);
		SELECT lo_from_bytea(0, decode(repeat('00ff', 5000), 'hex')); SELECT lo_from_bytea(0, '')`)
	// What a function of the application would do to the superuser who dumps, if it were called.
	l.query(`CREATE FUNCTION public.textin(record) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
		CREATE FUNCTION public.spy(shop.orders) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
		ALTER TABLE u ENABLE ROW LEVEL SECURITY; ALTER TABLE u FORCE ROW LEVEL SECURITY;
		ALTER DATABASE ebdb SET statement_timeout = '5s'; ALTER DATABASE ebdb SET datestyle = 'German'; ALTER DATABASE ebdb SET search_path = shop, public`)
}
