// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIgnore plays random rules and compares what is left with what git leaves.
func TestIgnore(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not there: nothing to compare with")
	}
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	files := forest(t, dir)
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		var lines []string
		for range 1 + r.IntN(4) {
			lines = append(lines, randomRule(r))
		}
		text := strings.Join(lines, "\n")
		if err := os.WriteFile(filepath.Join(dir, ".git", "ignored"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("git", "-C", dir, "ls-files", "--others", "--exclude-from=.git/ignored", "-z").Output()
		if err != nil {
			t.Fatalf("git ls-files: %v", err)
		}
		kept := map[string]bool{}
		for name := range strings.SplitSeq(string(out), "\x00") {
			kept[name] = true
		}
		rules := parseIgnore(text)
		for _, name := range files {
			if got, want := ignoredOnTheWay(rules, name), !kept[name]; got != want {
				t.Errorf("rules %q: %s ignored %v, git says %v", lines, name, got, want)
			}
		}
	}
}

func ignoredOnTheWay(rules ignore, name string) bool {
	for i, c := range name {
		if c == '/' && rules.match(name[:i], true) {
			return true
		}
	}
	return rules.match(name, false)
}

func forest(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	for _, top := range []string{"a", "b", "foo", "src", ".x"} {
		for _, mid := range []string{"a", "b", "foo", "doc"} {
			for _, leaf := range []string{"a", "foo", "bar.txt", "a b", "#x", "[z]"} {
				files = append(files, top+"/"+mid+"/"+leaf)
			}
		}
		files = append(files, top+"/bar.txt", top+".txt")
	}
	for _, name := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func randomRule(r *rand.Rand) string {
	words := []string{
		"a", "b", "foo", "bar.txt", "a b", "a b ", `a\ b`, ".x", "doc", "*.txt", "?", "**", "[ab]", "[!a]", "[^a]oo", "[a-f]*", "[[:alpha:]]", "f*", "*", "src", "f**o",
		`\#x`, "#x", `\[z]`, "[", "[]]", `[\]z]`, `foo\`, "",
	}
	parts := make([]string, 1+r.IntN(3))
	for i := range parts {
		parts[i] = words[r.IntN(len(words))]
	}
	out := strings.Join(parts, "/")
	for _, around := range [][2]string{{"/", ""}, {"", "/"}, {"!", ""}, {"", "\r"}, {"", "  "}} {
		if r.IntN(4) == 0 {
			out = around[0] + out + around[1]
		}
	}
	return out
}
