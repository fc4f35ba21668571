// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

func good() contract.Config {
	return contract.Config{
		Queue:       contract.Coordinates{Provider: contract.NATS, URL: "nats://nats.queues:4222", Name: "orders", Group: "shop"},
		Application: "http://127.0.0.1:8080", HealthPath: "/healthz", Path: "/", MimeType: "application/json", Connections: 50, ConnectTimeout: 5,
		InactivityTimeout: 299, VisibilityTimeout: 300, ErrorVisibilityTimeout: 2, Retention: 345600, MaxRetries: 10, Drain: 299,
		Tasks: []contract.Task{{Name: "audit", Path: "/audit", Schedule: "0 23 * * *"}},
	}
}

func TestParseReadsWhatTheOperatorWrites(t *testing.T) {
	t.Parallel()
	text, err := good().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(good(), got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// What is wrong is named, all of it at once, and no password that somebody put into a URL is repeated.
func TestParseNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*contract.Config)
		want   []string
	}{
		"application":     {func(c *contract.Config) { c.Application = "127.0.0.1:8080" }, []string{"application is"}},
		"path":            {func(c *contract.Config) { c.Path = "work" }, []string{`path is "work"`}},
		"health path":     {func(c *contract.Config) { c.HealthPath = "up" }, []string{`healthPath is "up"`}},
		"media type":      {func(c *contract.Config) { c.MimeType = "a\nb" }, []string{"mimeType"}},
		"no media type":   {func(c *contract.Config) { c.MimeType = "" }, []string{"mimeType is empty"}},
		"several numbers": {func(c *contract.Config) { c.Connections, c.MaxRetries = 101, 0 }, []string{"connections is 101, but must be between 1 and 100", "maxRetries is 0"}},
		"provider":        {func(c *contract.Config) { c.Queue.Provider = "kafka" }, []string{`queue.provider is "kafka"`}},
		"no name":         {func(c *contract.Config) { c.Queue.Name = "" }, []string{"queue.name is empty, but nats needs"}},
		"url":             {func(c *contract.Config) { c.Queue.URL = "nats://user:secret@ :4222" }, []string{"queue.url is no URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good()
			tt.change(&c)
			text, err := c.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(text)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
	for _, text := range []string{"", "{", "[]"} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), contract.EnvConfig) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	if got, err := Credentials(filepath.Join(t.TempDir(), "none")); got != nil || err != nil {
		t.Errorf("a folder that is not there: %v, %v", got, err)
	}
	// As the kubelet mounts a Secret: keys are links into a folder that changes.
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "..data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"user": "shop", "password": "p w\n"} {
		if err := os.WriteFile(filepath.Join(dir, "..data", name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Credentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"user": "shop", "password": "p w"}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "creds"), make([]byte, maxCredential+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Credentials(dir); err == nil || !strings.Contains(err.Error(), "creds") {
		t.Errorf("a key that is too large: %v", err)
	}
}
