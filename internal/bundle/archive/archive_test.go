// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// contents reads what was unpacked: content of files, targets of links, "dir" for folders.
func contents(t *testing.T, top string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(name, top), "/")
		switch {
		case err != nil:
			return err
		case rel == "":
		case entry.IsDir():
			out[rel] = "dir"
		case entry.Type() == fs.ModeSymlink:
			target, err := os.Readlink(name)
			out[rel] = "-> " + target
			return err
		default:
			content, err := os.ReadFile(name)
			info, statErr := entry.Info()
			if out[rel] = string(content); statErr == nil && info.Mode()&0o100 != 0 {
				out[rel] += "*"
			}
			return errors.Join(err, statErr)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatIsUnpacked(t *testing.T) {
	t.Parallel()
	manifest := item{name: "META-INF/MANIFEST.MF", data: "Manifest-Version: 1.0\r\nMain-Class: a.B\r\n"}
	jar := zipItems(manifest, item{name: "a/B.class", data: "x"})
	for _, tc := range []struct {
		name    string
		items   []item
		want    map[string]string
		warning string
	}{
		{"files, folders, links", []item{{name: "bin/", folder: true}, {name: "bin/run", data: "r", mode: 0o700}, {name: "l", link: "bin/run"}},
			map[string]string{"bin": "dir", "bin/run": "r*", "l": "-> bin/run"}, ""},
		{"one top folder", []item{{name: "app-1/", folder: true}, {name: "app-1/Procfile", data: "p"}, {name: "app-1/l", link: "Procfile"}},
			map[string]string{"Procfile": "p", "l": "-> Procfile"}, "everything in one folder, \"app-1\""},
		{"one top folder that is only implied", []item{{name: "app-1/x", data: "p"}}, map[string]string{"x": "p"}, "everything in one folder"},
		{"bin alone", []item{{name: "bin/application", data: "a", mode: 0o755}}, map[string]string{"bin": "dir", "bin/application": "a*"}, ""},
		{"a hidden folder alone", []item{{name: ".platform/x"}}, map[string]string{".platform": "dir", ".platform/x": ""}, ""},
		{"packed in place", []item{{name: "./", folder: true}, {name: "./a", data: "a"}, {name: "./b//c", data: "c"}}, map[string]string{"a": "a", "b": "dir", "b/c": "c"}, ""},
		{"WAR", []item{manifest, {name: "WEB-INF/web.xml", data: "w"}}, map[string]string{"META-INF": "dir", "META-INF/MANIFEST.MF": manifest.data, "WEB-INF": "dir", "WEB-INF/web.xml": "w"}, ""},
	} {
		for kind, content := range map[string][]byte{"zip": zipItems(tc.items...), "tar.gz": gzipped(tarItems(t, tc.items...)), "tar": tarItems(t, tc.items...)} {
			t.Run(kind+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				summary, err := w.unpack(content, DefaultLimits())
				w.judge(err)
				if diff := cmp.Diff(tc.want, contents(t, w.top+"/root/app")); diff != "" || err != nil {
					t.Errorf("%v\n%s", err, diff)
				}
				if got := strings.Join(summary.Warnings, " "); !strings.Contains(got, tc.warning) || (tc.warning == "") != (got == "") {
					t.Errorf("warnings %q, want %q", got, tc.warning)
				}
			})
		}
	}
	t.Run("JAR", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		_, err := w.unpack(jar, DefaultLimits())
		if diff := cmp.Diff(map[string]string{"application.jar": string(jar)}, contents(t, w.top+"/root/app")); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
	t.Run("Finder", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		summary, err := w.unpack(zipItems(item{name: "x/a", data: "a"}, item{name: "__MACOSX/x/._a"}), DefaultLimits())
		if diff := cmp.Diff(map[string]string{"a": "a"}, contents(t, w.top+"/root/app")); diff != "" || err != nil || len(summary.Warnings) != 2 {
			t.Errorf("%v %v\n%s", err, summary, diff)
		}
	})
}

// What other people's tools write is understood. Each is skipped where the tool is missing.
func TestOtherTools(t *testing.T) {
	t.Parallel()
	for name, argv := range map[string][]string{
		"zip":     {"zip", "-qry", "OUT", "."},
		"python":  {"python3", "-m", "zipfile", "-c", "OUT", "Procfile", "dir/"},
		"git zip": {"sh", "-c", "git init -q . && git add . && git -c user.name=a -c user.email=a@a commit -qm a && git archive --format=zip -o OUT HEAD"},
		"git tar": {"sh", "-c", "git init -q . && git add . && git -c user.name=a -c user.email=a@a commit -qm a && git archive --format=tar.gz -o OUT HEAD"},
		"tar":     {"tar", "czf", "OUT", "."},
		"streams": {"sh", "-c", "zip -qr - . > OUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(argv[0]); err != nil {
				t.Skip(argv[0], "is not installed")
			}
			from, out := t.TempDir(), filepath.Join(t.TempDir(), "out.zip")
			if err := errors.Join(os.Mkdir(from+"/dir", 0o755), os.WriteFile(from+"/Procfile", []byte("web: x\n"), 0o644), os.WriteFile(from+"/dir/data", bytes.Repeat([]byte("x"), 9999), 0o644)); err != nil {
				t.Fatal(err)
			}
			for i := range argv {
				argv[i] = strings.ReplaceAll(argv[i], "OUT", out)
			}
			command := exec.Command(argv[0], argv[1:]...)
			command.Dir = from
			if text, err := command.CombinedOutput(); err != nil {
				t.Skipf("the tool does not work here: %v %s", err, text)
			}
			content, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			_, err = w.unpack(content, DefaultLimits())
			w.judge(err)
			got := contents(t, w.top+"/root/app")
			if err != nil || got["Procfile"] != "web: x\n" || len(got["dir/data"]) != 9999 {
				t.Errorf("%v %v", err, got)
			}
		})
	}
}

func packed(t *testing.T, folder string) ([]byte, Summary) {
	t.Helper()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var out bytes.Buffer
	summary, err := Pack(context.Background(), root, &out, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), summary
}

func build(t *testing.T, folder string) {
	t.Helper()
	must := func(errs ...error) {
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(folder+"/venv/bin", 0o700), os.Symlink("/usr/bin/python3", folder+"/venv/bin/python"), os.Symlink("../missing", folder+"/dangling"),
		os.WriteFile(folder+"/run", []byte("r"), 0o710), os.WriteFile(folder+"/data", []byte("d"), 0o600),
		os.WriteFile(folder+"/README", nil, 0o644), os.WriteFile(folder+"/readme", nil, 0o644))
}

func TestPackIsDeterministicAndComesBack(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), t.TempDir()
	build(t, one)
	time.Sleep(20 * time.Millisecond)
	build(t, two)
	if err := errors.Join(os.Chtimes(two+"/data", time.Unix(1e9, 0), time.Unix(1e9, 0)), os.Chmod(two+"/data", 0o444)); err != nil {
		t.Fatal(err)
	}
	first, summary := packed(t, one)
	second, _ := packed(t, two)
	if sha256.Sum256(first) != sha256.Sum256(second) {
		t.Error("the same tree has two digests")
	}
	if summary.Entries != 8 || summary.Bytes != 2 {
		t.Errorf("%+v", summary)
	}
	into := t.TempDir()
	root, err := os.OpenRoot(into)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := Extract(context.Background(), root, bytes.NewReader(first), DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, one), contents(t, into)); diff != "" {
		t.Error(diff)
	}
	if err := Clear(root); err != nil || len(contents(t, into)) != 0 {
		t.Error(err)
	}
}

// What a build leaves is not trusted: neither a link nor a pipe makes the packer read something else.
func TestPackOfAHostileTree(t *testing.T) {
	t.Parallel()
	folder, secret := t.TempDir(), filepath.Join(t.TempDir(), "token")
	socket, err := net.Listen("unix", folder+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if err := errors.Join(os.WriteFile(secret, []byte("canary"), 0o600), os.Symlink(secret, folder+"/file"), os.Symlink(filepath.Dir(secret), folder+"/dir"), syscall.Mkfifo(folder+"/pipe", 0o600)); err != nil {
		t.Fatal(err)
	}
	content, summary := packed(t, folder)
	if len(summary.Warnings) != 2 || summary.Bytes != 0 {
		t.Errorf("%+v", summary)
	}
	if bytes.Contains(content, []byte("canary")) {
		t.Error("the packer followed a link")
	}
}

func TestPackLimits(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	build(t, folder)
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, change := range map[string]func(*Limits){"entries": func(l *Limits) { l.Entries = 3 }, "bytes": func(l *Limits) { l.Unpacked = 1 }} {
		limits := DefaultLimits()
		change(&limits)
		_, err := Pack(context.Background(), root, io.Discard, limits)
		if f := report.AsFailure(err); f.Reason != report.ArtifactTooLarge || !strings.HasPrefix(f.Text, "What was built") && !strings.HasPrefix(f.Text, "The ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An artifact may hold what a build leaves, but never writes through a link.
func TestExtractOfAHostileArtifact(t *testing.T) {
	t.Parallel()
	for name, items := range map[string][]item{
		"through a link":    {{name: "l", link: "/tmp"}, {name: "l/x", data: "x"}},
		"over a link":       {{name: "l", link: "../etc/passwd"}, {name: "l", data: "x"}},
		"parent":            {{name: "../x"}},
		"link over folder":  {{name: "d/x"}, {name: "d", link: "/etc"}},
		"link before child": {{name: "d", link: ".."}, {name: "d/app2/x"}},
	} {
		w := newWorld(t)
		if err := w.root.Mkdir("app", 0o755); err != nil {
			t.Fatal(err)
		}
		into, err := w.root.OpenRoot("app")
		if err != nil {
			t.Fatal(err)
		}
		defer into.Close()
		if _, err := Extract(context.Background(), into, bytes.NewReader(gzipped(tarItems(t, items...))), DefaultLimits()); err == nil {
			t.Errorf("%s was unpacked", name)
		}
		if diff := cmp.Diff(w.before, w.snapshot()); diff != "" {
			t.Errorf("%s changed something outside:\n%s", name, diff)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	items := []item{{name: "d/a", data: "hello"}, {name: "l", link: "d/a"}, {name: "e/", folder: true}}
	f.Add(zipItems(items...))
	f.Add(gzipped(tarItems(f, items...)))
	f.Add(tarItems(f, items...))
	f.Add(forgeZip(forgedEnd{zip64: true, comment: []byte("c")}, forged{name: "x", data: []byte("x")}))
	f.Add([]byte("PK"))
	f.Fuzz(func(t *testing.T, content []byte) {
		w := newWorld(t)
		limits := DefaultLimits()
		limits.Unpacked, limits.Entries = 1<<20, 100
		_, err := w.unpack(content, limits)
		w.judge(err)
	})
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"a/b", "../x", "/x", "a//b/./c", "C:x", "é", "nul", "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, err := DefaultLimits().clean(raw)
		if err == nil && name != "" && !fs.ValidPath(name) {
			t.Errorf("%q became %q", raw, name)
		}
	})
}
