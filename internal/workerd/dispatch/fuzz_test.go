// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// fuzzApp is one application for all inputs, with a connection that is kept: a request too many would shift every later one.
type fuzzApp struct {
	raw    *raw
	poster *Poster
}

func serveRawFuzz(f *testing.F) fuzzApp {
	f.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	r := &raw{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(conn, say(ok, true))
		}
	}()
	p, err := New(r.config(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.Close)
	return fuzzApp{r, p}
}

// checkRequest reads the request as an application would.
func checkRequest(t *testing.T, m *queue.Message, text string) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	body, _ := io.ReadAll(r.Body)
	if taskOf(m).name == "" && (string(body) != string(m.Body) || r.RequestURI != "/") {
		t.Errorf("path %q, body %q in %q", r.RequestURI, body, text)
	}
	if r.Host != "localhost" || len(r.TransferEncoding) > 0 || r.Header.Get("X-Aws-Sqsd-Msgid") != m.ID {
		t.Errorf("headers of the daemon are forged in %q", text)
	}
	for name, values := range r.Header {
		switch {
		case strings.HasPrefix(name, "X-Aws-Sqsd-Attr-Beanstalk.sqsd."):
			t.Errorf("%s is forwarded", name)
		case strings.HasPrefix(name, "X-Aws-Sqsd-"), name == "Traceparent", name == "Tracestate":
			if len(values) != 1 {
				t.Errorf("%s is there %d times", name, len(values))
			}
		case name != "User-Agent" && name != "Content-Type" && name != "Content-Length":
			t.Errorf("unexpected header %s", name)
		}
	}
}
