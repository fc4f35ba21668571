// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func TestAppendProblems(t *testing.T) {
	t.Parallel()
	file := func(n string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: n, Mode: 0o644} }
	good := packed(t, headers...)
	lying := Artifact{SHA256: strings.Repeat("a", 64), Open: good.Open}
	broken := Artifact{SHA256: good.SHA256, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("\x1f"), failing{})), nil
	}}
	for title, tc := range map[string]struct {
		artifact Artifact
		tweak    func(*Order)
		gate     func(http.ResponseWriter, *http.Request) bool
		definite bool
		want     string
	}{
		"leads out":       {packed(t, file("../etc/passwd")), nil, nil, true, `holds the name "../etc/passwd"`},
		"is absolute":     {packed(t, file("/etc/passwd")), nil, nil, true, `holds the name "/etc/passwd"`},
		"removes files":   {packed(t, file("a/.wh.b")), nil, nil, true, `holds the name "a/.wh.b"`},
		"hard link":       {packed(t, tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}), nil, nil, true, "neither a file"},
		"no archive":      {kept([]byte("x")), nil, nil, true, "is not a tar.gz"},
		"other bytes":     {lying, nil, nil, true, "gives other bytes"},
		"store fails":     {broken, nil, nil, false, "breaks off"},
		"no run image":    {good, func(o *Order) { o.Base += "-none" }, nil, true, "MANIFEST_UNKNOWN"},
		"bad run image":   {good, func(o *Order) { o.Base = "a b" }, nil, true, "is not an image reference"},
		"bad repository":  {good, func(o *Order) { o.Repository = "A_B" }, nil, true, "is not a repository"},
		"refused":         {good, nil, readOnly(http.StatusForbidden), true, "does not let Beanpod write"},
		"login":           {good, nil, readOnly(http.StatusUnauthorized), true, "does not let Beanpod write"},
		"no repository":   {good, nil, readOnly(http.StatusNotFound), true, "does not have"},
		"full":            {good, nil, readOnly(http.StatusInsufficientStorage), false, "answers 507"},
		"refuses content": {good, nil, readOnly(http.StatusBadRequest), true, "refuses"},
		"down":            {good, func(o *Order) { o.Repository = "127.0.0.1:1/x" }, nil, false, "refuses connections"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := startRegistry(t)
			push(t, s, "python:3.12")
			s.Gate(tc.gate)
			o := order(s, tc.artifact)
			if tc.tweak != nil {
				tc.tweak(&o)
			}
			_, err := appender().Append(t.Context(), o)
			p := problem(t, err)
			if p.Definite != tc.definite || !strings.Contains(p.Message, tc.want) || p.Definite != (p.Next != "") {
				t.Errorf("problem = %+v, want %q (definite %v)", p, tc.want, tc.definite)
			}
		})
	}
}

type failing struct{}

// Read fails.
func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// readOnly answers whatever writes with a status.
func readOnly(status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return true
		}
		w.WriteHeader(status)
		return false
	}
}

func TestAppendWithCredentials(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	push(t, s, "python:3.12")
	s.Gate(testkit.Login("beanpod", "s3cret"))
	file := filepath.Join(t.TempDir(), "config.json")
	a := NewAppender(AppendOptions{AllowLoopback: true, CredentialsFile: file})
	for _, step := range []struct{ content, want string }{
		{"", "cannot be read"},
		{"{", "is not a Docker configuration"},
		{`{"auths":{"` + s.Host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("beanpod:wrong")) + `"}}}`, "does not let Beanpod read"},
		{`{"auths":{"` + s.Host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("beanpod:s3cret")) + `"}}}`, ""},
	} {
		if step.content != "" {
			if err := os.WriteFile(file, []byte(step.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := a.Append(t.Context(), order(s, packed(t, headers...)))
		if step.want == "" && err == nil {
			continue
		}
		if p := problem(t, err); step.want == "" || !strings.Contains(p.Message, step.want) || strings.Contains(p.Message+p.Next, "s3cret") || p.Next == "" {
			t.Errorf("with %q: %+v", step.content, p)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	t.Parallel()
	for prefix, good := range map[string]bool{
		"registry.example.com/team/beanpod": true, "registry.example.com": true, "localhost:5000": true, "beanpod": false, "https://registry.example.com": false, "registry.example.com/": false, "registry.example.com/Team": false,
	} {
		if err := CheckPrefix(prefix); (err == nil) != good {
			t.Errorf("CheckPrefix(%q) = %v", prefix, err)
		}
	}
}

// TestInsecure proves that plain HTTP is spoken with the registry that is pushed to, and with no other.
func TestInsecure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		insecure       bool
		base           string
		target, source string
	}{
		{false, "registry.example/python", "https", "https"},
		{true, "registry.example/python", "http", "http"},
		{true, "other.example/python", "http", "https"},
		{true, "registry.example.org/python", "http", "https"},
	} {
		a := NewAppender(AppendOptions{Insecure: tc.insecure})
		target, err := name.ParseReference("registry.example/team/shop", a.spelling("registry.example/team/shop")...)
		if err != nil {
			t.Fatal(err)
		}
		base, err := name.ParseReference(tc.base, a.spelling(tc.base, target.Context().RegistryStr())...)
		if err != nil {
			t.Fatal(err)
		}
		if got := target.Context().Scheme(); got != tc.target {
			t.Errorf("%+v: the registry is spoken to by %s", tc, got)
		}
		if got := base.Context().Scheme(); got != tc.source {
			t.Errorf("%+v: the run image is read by %s", tc, got)
		}
	}
}
