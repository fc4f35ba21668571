// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scripts_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/beanpod-dev/beanpod/internal/bundle/run"
	"github.com/beanpod-dev/beanpod/internal/store"
	"github.com/beanpod-dev/beanpod/internal/store/server"
)

type open struct{}

func (open) Allow(context.Context, string, server.Access) (string, error) { return "test", nil }

// bundle runs the program that speaks with the store, as the pods do.
func (l *lab) bundle(url string, args ...string) error {
	l.Helper()
	l.write("token", "token")
	var out bytes.Buffer
	args = append(append([]string{"snapshot"}, args...), "--store", url, "--namespace", "shop", "--token-file", l.dir+"/token", "--result", l.dir+"/result")
	code := run.Main(l.Context(), args, &out)
	l.own()
	if code != 0 {
		return &failed{out.String()}
	}
	return nil
}

type failed struct{ text string }

func (f *failed) Error() string { return f.text }

// TestSnapshot takes a database to the store and back into another one, row by row.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	source := newLab(t)
	source.start(nil)
	source.fill()
	want := source.rows()
	dir, err := store.NewDirectory(t.TempDir())
	source.must(err)
	shop := httptest.NewServer(server.New(server.Options{Store: dir, Guard: open{}, Log: logr.Discard()}).Handler())
	defer shop.Close()

	source.scripts("dump.sh", "check.sh")
	if left, _ := filepath.Glob(source.dir + "/work/check*"); len(left) > 0 {
		t.Errorf("the check left %v", left)
	}
	source.must(source.bundle(shop.URL, "push", "--name", "final", "--file", source.dir+"/work/snapshot.tar"))
	source.query(`INSERT INTO shop.customers (name) VALUES ('late')`)
	source.scripts("dump.sh", "check.sh")
	if err := source.bundle(shop.URL, "push", "--name", "final", "--file", source.dir+"/work/snapshot.tar"); err == nil {
		t.Error("a snapshot was overwritten")
	}

	l := newLab(t)
	l.env["BEANPOD_USERNAME"] = "other"
	l.write("app/username", "other")
	restore := map[string]string{"BEANPOD_RESTORE": "final"}
	fetch := func(name string) error {
		return l.bundle(shop.URL, "fetch", "--name", name, "--file", l.dir+"/work/snapshot.tar", "--unless", l.dir+"/data/pgdata")
	}
	l.fails(restore, "The snapshot is missing or empty")
	l.must(fetch("final"))
	l.start(restore)
	if got := l.rows(); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
	if got := l.query(`SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname IN ('public', 'shop')`); got != "other" {
		t.Errorf("restored tables belong to %s", got)
	}
	l.query(`INSERT INTO shop.customers (name) VALUES ('next')`) // sequences go on
	shop.Close()
	l.must(fetch("none")) // there is a database: nobody asks the store
}

// TestCheckFindsDamage is the control of the check: each of these dumps must be refused.
func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(nil)
	l.fill()
	l.scripts("dump.sh")
	good, err := os.ReadFile(l.dir + "/work/snapshot.tar")
	l.must(err)
	part := func(name string) string {
		out, err := l.command(nil, "tar", "-xOf", l.dir+"/work/snapshot.tar", name).Output()
		l.must(err)
		return string(out)
	}
	manifest := part("manifest")
	repack := func(manifest, dump string) {
		l.write("work/manifest", manifest)
		l.write("work/dump", dump)
		l.must(l.command(nil, "tar", "-cf", l.dir+"/work/snapshot.tar", "-C", l.dir+"/work", "manifest", "dump").Run())
	}
	refused := func(what, says string) {
		t.Helper()
		message, err := l.script("check.sh", nil)
		if err == nil || !strings.Contains(message, says) {
			t.Errorf("%s: %q %v, want %q", what, message, err, says)
		}
	}
	flipped := []byte(part("dump"))
	flipped[len(flipped)/2] ^= 0x10
	repack(manifest, string(flipped))
	refused("a bit is wrong", "")
	l.write("work/snapshot.tar", string(good[:len(good)/2]))
	refused("half of it is missing", "cannot be")
	l.write("work/snapshot.tar", "")
	refused("it is empty", "missing or empty")

	// Whole dumps of something else.
	for what, change := range map[string]string{
		"a value differs": `UPDATE shop.orders SET weight = weight + 1e-9 WHERE id = 7`, "a row is missing": `DELETE FROM odd WHERE v = 'x'`,
		"a row is there twice": `INSERT INTO odd SELECT * FROM odd WHERE v = 'xx'`, "a large object is missing": `SELECT lo_unlink(min(oid)) FROM pg_largeobject_metadata`,
		"a table is missing": `DROP TABLE empty`, "an index is missing": `DROP INDEX shop.orders_at_idx`, "a null is an empty text": `UPDATE "Odd ""name" SET "a b" = '' WHERE "a b" IS NULL`,
	} {
		l.query(change)
		l.scripts("dump.sh")
		repack(manifest, part("dump"))
		refused(what, "is not what was in the database: ")
		l.scripts("dump.sh")
		manifest = part("manifest")
	}
	l.scripts("check.sh")
	l.env["BEANPOD_LIMIT"] = "1000"
	if message, err := l.script("dump.sh", nil); err == nil || !strings.Contains(message, "and the store takes 1000") {
		t.Errorf("a dump that the store does not take: %q %v", message, err)
	}
}
