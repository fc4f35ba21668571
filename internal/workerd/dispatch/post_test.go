// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// hang keeps the connection open until the other side goes.
func hang(conn net.Conn) bool {
	_, _ = io.Copy(io.Discard, conn)
	return false
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	head := "HTTP/1.1 200 OK\r\n"
	tests := map[string]struct {
		answer func(n int, conn net.Conn) bool
		kind   Kind
		status int
		// posts is how many requests the application sees, 1 if not given.
		posts int
	}{
		"200":                     {answer: say(ok, true), kind: Done, status: 200},
		"200 with a body":         {answer: say(head+"Content-Length: 5\r\n\r\nhello", true), kind: Done, status: 200},
		"200 until closed":        {answer: say(head+"\r\nhello", false), kind: Done, status: 200},
		"201":                     {answer: say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", true), kind: Failed, status: 201},
		"204":                     {answer: say("HTTP/1.1 204 No Content\r\n\r\n", true), kind: Failed, status: 204},
		"500":                     {answer: say("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", true), kind: Failed, status: 500},
		"redirect is not taken":   {answer: say("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", true), kind: Failed, status: 302},
		"other protocol":          {answer: say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", true), kind: Failed, status: 101},
		"200 after 100":           {answer: say("HTTP/1.1 100 Continue\r\n\r\n"+ok, true), kind: Done, status: 200},
		"half a body":             {answer: say(head+"Content-Length: 500\r\n\r\nhello", false), kind: Failed, status: 200},
		"half a chunk":            {answer: say(head+"Transfer-Encoding: chunked\r\n\r\nff\r\nhello", false), kind: Failed, status: 200},
		"chunks of nonsense":      {answer: say(head+"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", false), kind: Failed, status: 200},
		"garbage":                 {answer: say("\x00\x01SSH-2.0-nonsense\r\n\r\n", false), kind: Failed},
		"huge headers":            {answer: say(head+"X: "+strings.Repeat("y", 2*maxHeaders)+"\r\n\r\n", false), kind: Failed},
		"closed once":             {answer: closeOnce, kind: Done, status: 200, posts: 2},
		"closed always":           {answer: func(int, net.Conn) bool { return false }, kind: Failed, posts: 2},
		"closed within an answer": {answer: say("HTT", false), kind: Failed},
		"silence":                 {answer: func(_ int, c net.Conn) bool { return hang(c) }, kind: TimedOut},
		"silence after headers": {answer: func(_ int, c net.Conn) bool {
			_, _ = io.WriteString(c, head+"Content-Length: 5\r\n\r\nhe")
			return hang(c)
		}, kind: TimedOut, status: 200},
		"slow but never silent": {answer: drip, kind: Done, status: 200},
		"body without end":      {answer: endless, kind: Done, status: 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := serveRaw(t, test.answer)
			out := poster(t, app.config()).Post(t.Context(), message())
			if out.Kind != test.kind || out.Status != test.status || (out.Err == nil) != (out.Kind == Done) {
				t.Errorf("outcome %+v, want %s with status %d", out, test.kind, test.status)
			}
			if got := len(app.seen()); got != max(test.posts, 1) {
				t.Errorf("%d requests, want %d", got, max(test.posts, 1))
			}
			seen := app.seen()
			if len(seen) == 2 && seen[0] != seen[1] {
				t.Errorf("the second request differs: %q", seen)
			}
		})
	}
}

func closeOnce(n int, conn net.Conn) bool {
	if n == 0 {
		return false
	}
	return say(ok, true)(n, conn)
}

// drip takes longer than the inactivity time-out of a second, headers and all, but is never silent for so long.
func drip(_ int, conn net.Conn) bool {
	for _, part := range []string{"HTTP/1.1 200", " OK\r\nContent-", "Length: 2\r\n", "\r\n", "o", "k"} {
		time.Sleep(300 * time.Millisecond)
		_, _ = io.WriteString(conn, part)
	}
	return true
}

func endless(_ int, conn net.Conn) bool {
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	for block := make([]byte, 64<<10); err == nil; {
		_, err = conn.Write(block)
	}
	return false
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	app := serveRaw(t, say(ok, true))
	p := poster(t, app.config())
	for range 20 {
		if out := p.Post(t.Context(), message()); out.Kind != Done {
			t.Fatalf("outcome %+v", out)
		}
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if app.conns != 1 {
		t.Errorf("%d connections for posts one after another, want 1", app.conns)
	}
}

func TestStaleConnectionsAreNoFailure(t *testing.T) {
	t.Parallel()
	// Each connection is closed silently after its first answer, as an application with a short keep-alive does.
	app := serveRaw(t, say(ok, false))
	p := poster(t, app.config())
	for range 50 {
		if out := p.Post(t.Context(), message()); out.Kind != Done {
			t.Fatalf("outcome %+v", out)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	app := serveRaw(t, say(ok, true))
	_ = app.listener.Close()
	p := poster(t, app.config())
	if out := p.Post(t.Context(), message()); out.Kind != Refused {
		t.Errorf("outcome %+v, want refused", out)
	}
	if err := p.Probe(t.Context()); err == nil {
		t.Error("the probe succeeds without an application")
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	why := errors.New("because")
	app := serveRaw(t, func(_ int, c net.Conn) bool {
		stop(why)
		return hang(c)
	})
	out := poster(t, app.config()).Post(ctx, message())
	if out.Kind != Stopped || !errors.Is(out.Err, why) || len(app.seen()) != 1 {
		t.Errorf("outcome %+v after %d requests", out, len(app.seen()))
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{
		ok: true,
		"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n": true,
		"HTTP/1.1 503 Not yet\r\nContent-Length: 0\r\n\r\n":                   false,
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n":                 false,
		"nonsense": false,
	} {
		app := serveRaw(t, say(answer, false))
		c := app.config()
		c.HealthPath = "/health?deep=1"
		if err := poster(t, c).Probe(t.Context()); (err == nil) != want {
			t.Errorf("%q: error %v", answer, err)
		}
		if !strings.HasPrefix(app.seen()[0], "GET /health?deep=1 HTTP/1.1\r\n") {
			t.Errorf("probe %q", app.seen()[0])
		}
	}
}

// FuzzAnswers: whatever the application says, one POST ends, and deletes only after a status line that says 200.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(ok))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 200\r\n\r\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		app := serveRaw(t, say(string(answer), false))
		out := poster(t, app.config()).Post(t.Context(), message())
		if out.Kind == Done && !strings.Contains(string(answer), " 200") {
			t.Errorf("done after %q", answer)
		}
		if out.Kind == Refused || out.Kind == Stopped || len(app.seen()) > 2 {
			t.Errorf("outcome %+v after %d requests", out, len(app.seen()))
		}
	})
}
