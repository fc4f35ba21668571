// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// world is a folder with something to damage around the folder that is unpacked into.
type world struct {
	t      testing.TB
	top    string
	root   *os.Root
	before map[string]string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, top: t.TempDir()}
	for name, content := range map[string]string{"secret": "s", "etc/passwd": "root", "root/keep": "k", "root/bin/tool": "t"} {
		file := filepath.Join(w.top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.root, err = os.OpenRoot(filepath.Join(w.top, "root")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.root.Close() })
	w.before = w.snapshot()
	return w
}

// snapshot is everything but the unpacked tree.
func (w *world) snapshot() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(w.top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == filepath.Join(w.top, "root", "app") {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += " " + string(content)
		}
		out[name] = text
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) unpack(content []byte, limits Limits) (Summary, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return Unpack(ctx, w.root, "app", Source{bytes.NewReader(content), int64(len(content))}, limits)
}

// judge is the oracle: nothing changed outside, and inside is nothing but files, folders and links that stay there.
func (w *world) judge(err error) {
	w.t.Helper()
	if diff := cmp.Diff(w.before, w.snapshot()); diff != "" {
		w.t.Errorf("something changed outside:\n%s", diff)
	}
	app := filepath.Join(w.top, "root", "app")
	if err != nil {
		if _, there := os.Lstat(app); there == nil {
			w.t.Error("a refused archive left a tree")
		}
		if f := report.AsFailure(err); f.Reason != report.ArchiveRefused || len(f.Text) > 600 || strings.ContainsAny(f.Text, "\x00\x1b\n") {
			w.t.Errorf("not a refusal that can be shown: %v", err)
		}
		return
	}
	_ = filepath.WalkDir(app, func(name string, entry fs.DirEntry, err error) error {
		info, problem := entry.Info()
		if err != nil || problem != nil {
			w.t.Errorf("%s: %v %v", name, err, problem)
			return err
		}
		switch mode := info.Mode(); {
		case mode&fs.ModeSymlink != 0:
			real, err := filepath.EvalSymlinks(name)
			if err == nil && real != app && !strings.HasPrefix(real, app+"/") || err != nil && !errors.Is(err, fs.ErrNotExist) {
				w.t.Errorf("%s leads to %s, %v", name, real, err)
			}
		case mode.IsDir() && mode.Perm() != 0o755, mode.IsRegular() && mode.Perm() != 0o644 && mode.Perm() != 0o755, !mode.IsDir() && !mode.IsRegular():
			w.t.Errorf("%s has mode %s", name, mode)
		}
		return nil
	})
}

// hostile is one archive; says is a part of the refusal, empty when it is unpacked.
type hostile struct {
	name, says string
	content    []byte
	limits     func(*Limits)
}

// tricks are those that every kind of archive can play.
var tricks = []struct {
	name, says string
	items      []item
}{
	{"parent", "leaves its folder", []item{{name: "../x"}}},
	{"parent inside", "leaves its folder", []item{{name: "a/../../x"}}},
	{"parent that returns", "leaves its folder", []item{{name: "a/../x"}}},
	{"parent after dot", "leaves its folder", []item{{name: "./../x"}}},
	{"parent as folder", "leaves its folder", []item{{name: "../", folder: true}}},
	{"parent at the end", "leaves its folder", []item{{name: "a/.."}}},
	{"absolute", "absolute path", []item{{name: "/etc/passwd"}}},
	{"two slashes", "absolute path", []item{{name: "//etc/passwd"}}},
	{"drive", "drive letter", []item{{name: "C:/x"}}},
	{"drive without slash", "drive letter", []item{{name: "c:x"}}},
	{"backslash", "backslash", []item{{name: "..\\x"}}},
	{"backslash inside", "backslash", []item{{name: "a\\..\\..\\x"}}},
	{"network share", "backslash", []item{{name: "\\\\host\\x"}}},
	{"NUL", "control characters", []item{{name: "a\x00b"}}},
	{"line feed", "control characters", []item{{name: "a\nb"}}},
	{"escape sequence", "control characters", []item{{name: "\x1b[31mred"}}},
	{"C1 control", "control characters", []item{{name: "a\u009bb"}}},
	{"not UTF-8", "not UTF-8", []item{{name: "a\xff"}}},
	{"overlong UTF-8", "not UTF-8", []item{{name: "\xc0\xae\xc0\xae/x"}}},
	{"fullwidth dots are a name", "", []item{{name: "\uff0e\uff0e/x"}, {name: "y"}}},
	{"device", "device on Windows", []item{{name: "NUL"}}},
	{"device in a folder", "device on Windows", []item{{name: "a/com1/x"}}},
	{"long path", "path of", []item{{name: strings.Repeat("abcdefghi/", 103) + "x"}}},
	{"long name", "name of 256 bytes", []item{{name: strings.Repeat("a", 256)}}},
	{"deep", "33 folders deep", []item{{name: strings.Repeat("a/", 32) + "x"}}},
	{"32 folders", "", []item{{name: strings.Repeat("a/", 31) + "x"}, {name: "y"}}},
	{"twice", "twice", []item{{name: "a"}, {name: "a"}}},
	{"twice with a dot", "twice", []item{{name: "a"}, {name: "./a"}}},
	{"by case", "one name where case", []item{{name: "README"}, {name: "readme"}}},
	{"folder by case", "one name where case", []item{{name: "D/x"}, {name: "d/y"}}},
	{"by Unicode form", "one name where case", []item{{name: "\u00e9"}, {name: "e\u0301"}}},
	{"by folding", "one name where case", []item{{name: "stra\u00dfe"}, {name: "STRASSE"}}},
	{"file becomes folder", "something else", []item{{name: "a"}, {name: "a/b"}}},
	{"folder becomes file", "something else", []item{{name: "a/b"}, {name: "a"}}},
	{"link absolute", "leads out", []item{{name: "l", link: "/etc/passwd"}}},
	{"link to parent", "leads out", []item{{name: "l", link: "../secret"}}},
	{"link far out", "leads out", []item{{name: "a/l", link: "../../../../../../etc/passwd"}}},
	{"link that returns", "leads out", []item{{name: "a"}, {name: "l", link: "../app/a"}}},
	{"link with backslash", "leads out", []item{{name: "l", link: "..\\secret"}}},
	{"link too long", "target of", []item{{name: "l", link: strings.Repeat("a/", 513)}}},
	{"write through link", "something else", []item{{name: "l", link: "d"}, {name: "d/x"}, {name: "l/y"}}},
	{"write through outer link", "something else", []item{{name: "l", link: "../etc"}, {name: "l/passwd", data: "x"}}},
	{"link over folder", "something else", []item{{name: "d/x"}, {name: "d", link: ".."}}},
	{"link over file", "twice", []item{{name: "f"}, {name: "f", link: "../secret"}}},
	{"file over link", "twice", []item{{name: "f", link: "../secret"}, {name: "f"}}},
	{"links that lead out together", "leads out", []item{{name: "a/b/up", link: "../.."}, {name: "l", link: "a/b/up/../secret"}}},
	{"chain of links", "leads out", []item{{name: "d/x"}, {name: "one", link: "d"}, {name: "d/two", link: ".."}, {name: "l", link: "one/two/../../secret"}}},
	{"link to itself", "leads out", []item{{name: "l", link: "l"}}},
	{"links in a circle", "leads out", []item{{name: "a", link: "b"}, {name: "b", link: "a"}}},
	{"link out of what is stripped", "leads out", []item{{name: "top/l", link: "../x"}, {name: "top/y"}}},
	{"link inside", "", []item{{name: "node_modules/x/bin.js"}, {name: "node_modules/.bin/x", link: "../x/bin.js"}, {name: "y"}}},
	{"link to nothing inside", "", []item{{name: "l", link: "later/made"}, {name: "y"}}},
	{"link to the top", "", []item{{name: "a/l", link: ".."}, {name: "y"}}},
	{"setuid", "", []item{{name: "s", mode: 0o6755}, {name: "y"}}},
	{"unreadable", "", []item{{name: "s", mode: 0o001}, {name: "y"}}},
	{"empty", "is empty", nil},
}

func TestTricks(t *testing.T) {
	t.Parallel()
	manifest := item{name: "META-INF/MANIFEST.MF", data: "Manifest-Version: 1.0\nMain-Class: a.B\n"}
	for _, trick := range tricks {
		plain := tarItems(t, trick.items...)
		kinds := map[string][]byte{"zip": zipItems(trick.items...)}
		if plain != nil {
			kinds["tar.gz"] = gzipped(plain)
		}
		if len(trick.items) > 0 {
			kinds["tar"] = plain
		}
		if len(trick.items) > 0 && !strings.HasSuffix(trick.name, "what is stripped") { // nothing is stripped off a WAR
			kinds["war"] = zipItems(append([]item{{name: "WEB-INF/web.xml"}, manifest}, trick.items...)...)
		}
		for kind, content := range kinds {
			if content != nil {
				t.Run(kind+"/"+trick.name, func(t *testing.T) { run(t, hostile{says: trick.says, content: content}) })
			}
		}
		// A JAR stays one file, so only names are refused; the oracle holds all the same.
		t.Run("jar/"+trick.name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.unpack(zipItems(append([]item{manifest}, trick.items...)...), DefaultLimits())
			w.judge(err)
		})
	}
}

func run(t *testing.T, h hostile) {
	t.Parallel()
	w := newWorld(t)
	limits := DefaultLimits()
	if h.limits != nil {
		h.limits(&limits)
	}
	_, err := w.unpack(h.content, limits)
	w.judge(err)
	if h.says == "" && err != nil || h.says != "" && (err == nil || !strings.Contains(err.Error(), h.says)) {
		t.Errorf("got %v, want %q", err, h.says)
	}
}

func TestHostileZIPs(t *testing.T) {
	t.Parallel()
	hello := forged{name: "a", data: []byte("hello hello hello"), method: deflated}
	with := func(change func(*forged)) []byte {
		f := hello
		change(&f)
		return forgeZip(forgedEnd{}, f, forged{name: "z", data: []byte("z")})
	}
	whole := forgeZip(forgedEnd{}, hello, forged{name: "z", data: []byte("z")})
	other := forgeZip(forgedEnd{}, forged{name: "other"})
	zeros := make([]byte, 3<<20)
	list := []hostile{
		{"plain", "", whole, nil},
		{"comment", "", forgeZip(forgedEnd{comment: []byte("0123456789abcdef")}, hello), nil},
		{"device", "device or a named pipe", with(func(f *forged) { f.mode = 0o020644 }), nil},
		{"pipe", "device or a named pipe", with(func(f *forged) { f.mode = 0o010644 }), nil},
		{"socket", "device or a named pipe", with(func(f *forged) { f.mode = 0o140644 }), nil},
		{"encrypted", "encrypted", with(func(f *forged) {
			f.central = put16(8, flagEncrypted|flagUTF8)
			f.local = put16(6, flagEncrypted|flagUTF8)
		}), nil},
		{"encrypted locally", "contradict", with(func(f *forged) { f.local = put16(6, flagEncrypted|flagUTF8) }), nil},
		{"bzip2", "method 12", with(func(f *forged) { f.central = put16(10, 12); f.local = put16(8, 12) }), nil},
		{"other name locally", "contradict", with(func(f *forged) { f.localName = "b" }), nil},
		{"parent locally", "contradict", with(func(f *forged) { f.localName = "../../x" }), nil},
		{"other method locally", "contradict", with(func(f *forged) { f.local = put16(8, stored) }), nil},
		{"other size locally", "contradict", with(func(f *forged) { f.local = put32(22, 5) }), nil},
		{"other checksum locally", "contradict", with(func(f *forged) { f.local = put32(14, 5) }), nil},
		{"smaller than it is", "not what its header says", with(func(f *forged) { f.central = put32(24, 5); f.local = put32(22, 5) }), nil},
		{"larger than it is", "not what its header says", with(func(f *forged) { f.central = put32(24, 50); f.local = put32(22, 50) }), nil},
		{"wrong checksum", "not what its header says", with(func(f *forged) { f.central = put32(16, 5); f.local = put32(14, 5) }), nil},
		{"bytes behind the stream", "not what its header says", with(func(f *forged) { f.raw = func(b []byte) []byte { return append(b, "more"...) } }), nil},
		{"stream that ends early", "damaged", with(func(f *forged) { f.raw = func(b []byte) []byte { return b[:len(b)-4] } }), nil},
		{"garbage stream", "damaged", with(func(f *forged) { f.raw = func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) } }), nil},
		{"stored with two sizes", "contradicts itself", with(func(f *forged) { f.method = stored; f.central = put32(20, 5) }), nil},
		{"folder with content", "a folder with content", with(func(f *forged) { f.mode = 0o040755 }), nil},
		{"file named like a folder", "name of a folder", with(func(f *forged) { f.name = "a/"; f.mode = 0o120777 }), nil},
		{"gap before", "belong to none", forgeZip(forgedEnd{}, hello, forged{name: "z", before: []byte("hidden")}), nil},
		{"gap behind", "belong to none", with(func(f *forged) { f.after = []byte("hidden") }), nil},
		{"same place twice", "overlaps", forgeZip(forgedEnd{}, hello, forged{name: "a2", data: hello.data, method: deflated, sameAs: 1}), nil},
		{"overlapping", "overlaps", with(func(f *forged) {
			f.central, f.local = put32(20, uint32(len(deflate(hello))+9)), put32(18, uint32(len(deflate(hello))+9))
		}), nil},
		{"offset beyond", "overlaps", forgeZip(forgedEnd{}, forged{name: "a", central: put32(42, 1)}), nil},
		{"huge by word", "larger than", with(func(f *forged) {
			f.method, f.central, f.local = deflated, put32(24, 0xfffffff0), put32(22, 0xfffffff0)
		}), func(l *Limits) { l.Unpacked = 1 << 30 }},
		{"prefix", "belong to no entry", forgeZip(forgedEnd{prefix: []byte("PKxx"), end: func(b []byte) { le.PutUint32(b[16:], le.Uint32(b[16:])-4) }}, hello), nil},
		{"adjusted prefix", "belong to none", forgeZip(forgedEnd{prefix: []byte("PK script")}, hello), nil},
		{"suffix", "bytes behind it", forgeZip(forgedEnd{suffix: []byte("more")}, hello), nil},
		{"two archives", "belong to no", append(bytes.Clone(whole), other...), nil},
		{"archive in the comment", "two ends", forgeZip(forgedEnd{comment: other}, hello), nil},
		{"bytes before the end", "belong to no entry", forgeZip(forgedEnd{beforeEnd: []byte("gap")}, hello), nil},
		{"more entries than said", "longer than it says", forgeZip(forgedEnd{end: func(b []byte) { put16(8, 1)(b); put16(10, 1)(b) }}, hello, forged{name: "../x"}), nil},
		{"fewer entries than said", "damaged", forgeZip(forgedEnd{end: func(b []byte) { put16(8, 3)(b); put16(10, 3)(b) }}, hello), nil},
		{"two counts", "several parts", forgeZip(forgedEnd{end: put16(8, 7)}, hello), nil},
		{"second disk", "several parts", forgeZip(forgedEnd{end: put16(4, 1)}, hello), nil},
		{"directory elsewhere", "belong to no entry", forgeZip(forgedEnd{end: put32(16, 0)}, hello), nil},
		{"directory beyond", "belong to no entry", forgeZip(forgedEnd{end: put32(16, 0x7fffffff)}, hello), nil},
		{"large directory", "list of files", forgeZip(forgedEnd{end: put32(12, 0x7fffffff)}, hello), nil},
		{"zip64", "", forgeZip(forgedEnd{zip64: true, end: func(b []byte) { put16(8, full16)(b); put16(10, full16)(b); put32(12, full32)(b); put32(16, full32)(b) }}, hello, forged{name: "z"}), nil},
		{"zip64 besides", "", forgeZip(forgedEnd{zip64: true}, hello, forged{name: "z"}), nil},
		{"zip64 with other count", "ZIP64", forgeZip(forgedEnd{zip64: true, big: func(b []byte) { le.PutUint64(b[32:], 5) }}, hello), nil},
		{"zip64 with other place", "ZIP64", forgeZip(forgedEnd{zip64: true, big: func(b []byte) { le.PutUint64(b[48:], 5) }}, hello), nil},
		{"zip64 negative", "list of files", forgeZip(forgedEnd{zip64: true, end: put32(12, full32), big: func(b []byte) { le.PutUint64(b[40:], 1<<63) }}, hello), nil},
		{"zip64 elsewhere", "ZIP64", forgeZip(forgedEnd{zip64: true, locator: func(b []byte) { le.PutUint64(b[8:], 1) }}, hello), nil},
		{"zip64 missing", "incomplete", with(func(f *forged) { f.central = put32(24, full32) }), nil},
		{"million entries by word", "1000000 entries", forgeZip(forgedEnd{zip64: true, end: func(b []byte) { put16(8, full16)(b); put16(10, full16)(b) }, big: func(b []byte) {
			le.PutUint64(b[24:], 1000000)
			le.PutUint64(b[32:], 1000000)
		}}, hello), nil},
		{"bomb", "times its size", forgeZip(forgedEnd{}, forged{name: "zeros", data: zeros, method: deflated}, forged{name: "z"}), func(l *Limits) { l.RatioFrom = 1 << 20 }},
		{"bomb of many", "times its size", forgeZip(forgedEnd{}, many(40, zeros[:100<<10])...), func(l *Limits) { l.RatioFrom = 1 << 20 }},
		{"too large", "larger than", forgeZip(forgedEnd{}, forged{name: "zeros", data: zeros}), func(l *Limits) { l.Unpacked = 1 << 20 }},
		{"archive too large", "bytes large", whole, func(l *Limits) { l.Archive = 10 }},
		{"too many", "entries; the limit", forgeZip(forgedEnd{}, many(40, nil)...), func(l *Limits) { l.Entries = 39 }},
		{"too many folders in paths", "more than 100", forgeZip(forgedEnd{}, forged{name: strings.Repeat("a/", 30) + "x"}, forged{name: strings.Repeat("b/", 30) + "x"},
			forged{name: strings.Repeat("c/", 30) + "x"}, forged{name: strings.Repeat("d/", 30) + "x"}), func(l *Limits) { l.Entries = 100 }},
		{"nested", "", forgeZip(forgedEnd{}, forged{name: "inner.zip", data: whole}, forged{name: "z"}), nil},
		{"nothing but the end", "is empty", forgeZip(forgedEnd{}), nil},
		{"a short PK", "without its end", []byte("PK"), nil},
		{"no archive", "no ZIP", []byte("#!/bin/sh\n"), nil},
		{"no bytes", "no ZIP", nil, nil},
	}
	for _, h := range list {
		t.Run(h.name, func(t *testing.T) { run(t, h) })
	}
}

func many(n int, data []byte) []forged {
	var out []forged
	for i := range n {
		out = append(out, forged{name: fmt.Sprint("f", i), data: data, method: deflated})
	}
	return out
}

func TestHostileTars(t *testing.T) {
	t.Parallel()
	one := tarItems(t, item{name: "a", data: "hello"}, item{name: "b"})
	special := func(flag byte, link string) []byte {
		return gzipped(tarItems(t, item{name: "a"}, item{name: "x", typeflag: flag, link: link}))
	}
	pax := func(records map[string]string) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		if err := w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, PAXRecords: records, Format: tar.FormatPAX}); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		return gzipped(bytes.ReplaceAll(out.Bytes(), []byte("fake/path"), []byte("../../x/p")))
	}
	retyped := func(flag byte) []byte {
		text := bytes.Clone(one)
		text[156] = flag
		sum := 0
		for i := range 512 {
			if i >= 148 && i < 156 {
				sum += ' '
			} else {
				sum += int(text[i])
			}
		}
		copy(text[148:], fmt.Sprintf("%06o\x00 ", sum))
		return gzipped(text)
	}
	damaged := bytes.Clone(one)
	damaged[3] = 'x'
	zeros := tarItems(t, item{name: "zeros", data: string(make([]byte, 3<<20))}, item{name: "z"})
	list := []hostile{
		{"plain", "", gzipped(one), nil},
		{"hard link", "a hard link", special(tar.TypeLink, "a"), nil},
		{"hard link outside", "a hard link", special(tar.TypeLink, "../../secret"), nil},
		{"character device", "a device", special(tar.TypeChar, ""), nil},
		{"block device", "a device", special(tar.TypeBlock, ""), nil},
		{"pipe", "a named pipe", special(tar.TypeFifo, ""), nil},
		{"unknown type", "unknown type", retyped('Z'), nil},
		{"sparse", "damaged", retyped('S'), nil},
		{"PAX path", "", pax(map[string]string{"comment": "fake/path"}), nil},
		{"two members", "behind its end", gzipped(one, one), nil},
		{"bytes behind", "behind its end", append(gzipped(one), "more"...), nil},
		{"two archives", "second archive", gzipped(append(bytes.Clone(one), one...)), nil},
		{"padding", "", gzipped(append(bytes.Clone(one), make([]byte, 10240)...)), nil},
		{"endless padding", "larger than", gzipped(append(bytes.Clone(one), make([]byte, 2<<20)...)), nil},
		{"header damaged", "damaged", gzipped(damaged), nil},
		{"bomb", "times its size", gzipped(zeros), func(l *Limits) { l.RatioFrom = 1 << 20 }},
		{"too large", "larger than", gzipped(zeros), func(l *Limits) { l.Unpacked = 1 << 20 }},
		{"too many", "more than 1", gzipped(one), func(l *Limits) { l.Entries = 1 }},
		{"no tar inside", "damaged", gzipped([]byte(strings.Repeat("no tar ", 200))), nil},
		{"nothing inside", "is empty", gzipped(nil), nil},
		{"only a head", "damaged", []byte{0x1f, 0x8b}, nil},
	}
	for _, h := range list {
		t.Run(h.name, func(t *testing.T) { run(t, h) })
	}
}

// However much of an archive arrives, it is refused or was complete.
func TestTruncated(t *testing.T) {
	t.Parallel()
	items := []item{{name: "dir/a", data: strings.Repeat("hello ", 50)}, {name: "l", link: "dir/a"}, {name: "b", data: "b"}}
	for kind, content := range map[string][]byte{"zip": zipItems(items...), "tar.gz": gzipped(tarItems(t, items...))} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for n := range content {
				_, err := w.unpack(content[:n], DefaultLimits())
				w.judge(err)
				if err == nil {
					t.Errorf("%d of %d bytes were taken for all", n, len(content))
				}
			}
		})
	}
}

// Every single changed byte is refused or harmless.
func TestChangedBytes(t *testing.T) {
	t.Parallel()
	items := []item{{name: "d/a", data: "hello hello hello"}, {name: "l", link: "d/a"}}
	content := zipItems(items...)
	w := newWorld(t)
	for i := range content {
		for _, flip := range []byte{1, 0x80, 0xff} {
			changed := bytes.Clone(content)
			changed[i] ^= flip
			_, err := w.unpack(changed, DefaultLimits())
			w.judge(err)
		}
	}
}

func TestTimeEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	content := zipItems(item{name: "a"}, item{name: "b"})
	_, err := Unpack(ctx, w.root, "app", Source{bytes.NewReader(content), int64(len(content))}, DefaultLimits())
	w.judge(err)
	if err == nil || !report.AsFailure(err).Retry {
		t.Errorf("got %v", err)
	}
}

// memoryBound is what the hostile archives below may cost besides themselves.
const memoryBound = 112 << 20

// Not parallel: it watches the memory of the process. The archives are of the size that the real limits refuse.
func TestMemoryIsBounded(t *testing.T) {
	// The archives themselves lie in memory here, and let the collector wait for as much again; what is alive is what counts.
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	var headers bytes.Buffer
	for i := range 600_000 {
		headers.Write(forgeHeader(forged{name: fmt.Sprintf("%07d", i)}, 0, 0))
	}
	lying := forgeEnd(forgedEnd{}, &bytes.Buffer{}, headers.Bytes(), 5)
	honest := forgeEnd(forgedEnd{zip64: true, end: func(b []byte) { put16(8, full16)(b); put16(10, full16)(b) }}, &bytes.Buffer{}, headers.Bytes(), 150_000)
	names := bytes.Buffer{}
	var capitals []forged
	for i := range 32_000 {
		capitals = append(capitals, forged{name: strings.Repeat(strings.Repeat("N", 240)+"/", 3) + strings.Repeat("N", 240) + fmt.Sprintf("%07d", i)})
		names.Write(forgeHeader(forged{name: fmt.Sprintf("%07d", i) + strings.Repeat("/"+strings.Repeat("n", 200), 4)}, 0, 0))
	}
	for name, content := range map[string][]byte{
		"many headers, five by word": lying, "more headers than said": honest,
		"long names":                      forgeEnd(forgedEnd{}, &bytes.Buffer{}, names.Bytes(), 32_000),
		"long names, refused at the last": forgeZip(forgedEnd{}, append(capitals, forged{name: strings.ToLower(capitals[0].name)})...),
		"zeros":                           forgeZip(forgedEnd{}, forged{name: "zeros", data: make([]byte, 80<<20), method: deflated}),
		"zeros tar":                       gzipped(tarItems(t, item{name: "zeros", data: string(make([]byte, 80<<20))})),
	} {
		w := newWorld(t)
		runtime.GC()
		base, done, peak := heap(), make(chan struct{}), make(chan uint64)
		go func() {
			most := uint64(0)
			for {
				select {
				case <-done:
					peak <- max(most, heap()) // what ends within a tick is measured, too
					return
				case <-time.After(2 * time.Millisecond):
					most = max(most, heap())
				}
			}
		}()
		_, err := w.unpack(content, DefaultLimits())
		close(done)
		used := int64(<-peak) - int64(base)
		w.judge(err)
		t.Logf("%s: %d KiB archive, %d KiB more memory: %v", name, len(content)>>10, used>>10, err)
		if err == nil || used > memoryBound {
			t.Errorf("%s: used %d bytes, %v", name, used, err)
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
