// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"net"
	"strings"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/tlstest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	f := tlstest.Make(t)
	secure, err := servers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(secure)
	s := newServer(t, "--tls-port", port, "--tls-cert-file", f.Certificate, "--tls-key-file", f.Key, "--tls-ca-cert-file", f.Authorities, "--tls-auth-clients", "no")
	c := s.coordinates("orders")
	c.URL = "rediss://" + secure
	q, err := Open(t.Context(), c, plain("a"), map[string]string{"ca.crt": f.Authority})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	mustSend(t.Context(), t, q, "secret")
	mustReceive(t, q, 1)
	for _, authority := range []string{"", tlstest.Make(t).Authority} {
		if _, err := Open(t.Context(), c, plain("a"), map[string]string{"ca.crt": authority}); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("another authority's server was not refused: %v", err)
		}
	}
}
