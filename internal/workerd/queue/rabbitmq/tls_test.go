// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue/tlstest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	installed(t)
	f := tlstest.Make(t)
	ports, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: t.TempDir()}
	s.alone(t)
	config := fmt.Sprintf("listeners.ssl.1 = 127.0.0.1:%d\nssl_options.cacertfile = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s\nssl_options.verify = verify_none\n", ports[0], f.Authorities, f.Certificate, f.Key)
	if err := os.WriteFile(filepath.Join(s.dir, "rabbitmq.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	c := s.coordinates("orders")
	c.URL = fmt.Sprintf("amqps://127.0.0.1:%d/", ports[0])
	with := func(authority string) map[string]string {
		return map[string]string{"username": "guest", "password": "guest", "ca.crt": authority}
	}
	q, err := Open(t.Context(), c, usual("a"), with(f.Authority))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	mustSend(t, q, "secret")
	mustReceive(t, q, 1)
	for _, authority := range []string{"", tlstest.Make(t).Authority} {
		if _, err := Open(t.Context(), c, usual("a"), with(authority)); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("another authority's server was not refused: %v", err)
		}
	}
}
