// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"fmt"
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
	s := alone(t, fmt.Sprintf("listeners.ssl.1 = %s\nssl_options.cacertfile = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s\nssl_options.verify = verify_none\n", secure, f.Authorities, f.Certificate, f.Key))
	c := s.coordinates("orders")
	c.URL = "amqps://" + secure + "/"
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
