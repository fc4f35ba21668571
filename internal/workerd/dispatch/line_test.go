// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func connect(t *testing.T, app *raw) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", app.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestFarewells: what an application says on a kept connection before it closes it is nobody's answer.
func TestFarewells(t *testing.T) {
	t.Parallel()
	said := make(chan struct{}, 10)
	app := serveRaw(t, func(_ int, c net.Conn) bool {
		_, _ = io.WriteString(c, ok)
		go func() {
			time.Sleep(50 * time.Millisecond)
			_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			said <- struct{}{}
		}()
		return true
	})
	p := poster(t, app.config())
	for range 3 {
		if out := p.Post(t.Context(), message()); out.Kind != Done {
			t.Fatalf("outcome %+v", out)
		}
		<-said
	}
	if got := len(app.seen()); got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
}

// TestUnreadBodies: the answer of an application that does not read a long body counts, whether or not it closes.
func TestUnreadBodies(t *testing.T) {
	t.Parallel()
	for name, closes := range map[string]bool{"and closes": true, "and waits": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = io.ReadFull(c, make([]byte, 10))
					_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
					if closes {
						time.Sleep(100 * time.Millisecond)
						_ = c.Close()
					} else {
						t.Cleanup(func() { _ = c.Close() })
					}
				}
			}()
			c := (&raw{listener: l}).config()
			c.InactivityTimeout = 10
			m := message()
			m.Body = bytes.Repeat([]byte("x"), 32<<20) // more than the kernel holds
			began := time.Now()
			if out := poster(t, c).Post(t.Context(), m); out.Kind != Failed || out.Status != http.StatusRequestEntityTooLarge {
				t.Errorf("outcome %+v, want the 413", out)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestLongBodies(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789", 100_000)
	addresses := map[string]bool{}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addresses[r.RemoteAddr] = true
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(app.Close)
	c := (&raw{listener: app.Listener}).config()
	p, m := poster(t, c), message()
	m.Body = []byte(body)
	for range 5 {
		if out := p.Post(t.Context(), m); out.Kind != Done {
			t.Fatalf("outcome %+v", out)
		}
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections, want one that is kept", len(addresses))
	}
}

// TestEndless ends an attempt that never ends although bytes come.
func TestEndless(t *testing.T) {
	t.Parallel()
	app := serveRaw(t, func(_ int, c net.Conn) bool {
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 102 Processing\r\nX: "); err != nil {
				return false
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	l, p := newLine(connect(t, app)), poster(t, app.config())
	if err := l.begin(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	l.endless = time.Now().Add(200 * time.Millisecond)
	_, _, err := l.exchange(request(p.url, http.Header{}, []byte("x")))
	if out, again := l.outcome(0, err); out.Kind != TimedOut || again || !strings.Contains(out.Err.Error(), "too long") {
		t.Errorf("outcome %+v", out)
	}
}

// TestAContextThatEnded: its end is not undone by the next deadline.
func TestAContextThatEnded(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	app := serveRaw(t, say(ok, true))
	p := poster(t, app.config())
	p.lines.keep(newLine(connect(t, app)))
	if out := p.Post(ctx, message()); out.Kind != Stopped || len(app.seen()) != 0 {
		t.Errorf("outcome %+v after %d requests", out, len(app.seen()))
	}
	l := newLine(connect(t, app))
	l.ctx, l.limit, l.endless = ctx, time.Hour, time.Now().Add(time.Hour)
	if err := l.wait(time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("a new deadline gives %v", err)
	}
}

// TestOldLinesAreClosed: connections that nobody used for long are closed, and no others.
func TestOldLinesAreClosed(t *testing.T) {
	t.Parallel()
	app := serveRaw(t, say(ok, true))
	p := poster(t, app.config())
	p.lines.most = 3
	for range 5 {
		p.lines.keep(newLine(connect(t, app)))
	}
	if got := len(p.lines.idle); got != 3 {
		t.Fatalf("%d connections are kept, want 3", got)
	}
	old, young := p.lines.idle[0], p.lines.idle[2]
	p.lines.idle[0].idle, p.lines.idle[1].idle = time.Now().Add(-maxIdle), time.Now().Add(-maxIdle)
	p.lines.reap()
	if len(p.lines.idle) != 1 || p.lines.idle[0] != young || p.lines.reaper == nil {
		t.Errorf("kept %v and not the youngest, or nobody looks after it", p.lines.idle)
	}
	if _, err := old.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("an old connection is not closed: %v", err)
	}
}
