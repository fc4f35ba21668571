// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// ok is the least answer.
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// raw is an application of bare TCP: it keeps what it read, byte by byte, and answers what the test says.
type raw struct {
	listener net.Listener
	mu       sync.Mutex
	requests []string
	conns    int
}

// serveRaw answers the n-th request (from 0) of the whole server; false closes the connection afterwards.
func serveRaw(t *testing.T, answer func(n int, conn net.Conn) bool) *raw {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns++
			r.mu.Unlock()
			go r.serve(conn, answer)
		}
	}()
	return r
}

func (r *raw) serve(conn net.Conn, answer func(int, net.Conn) bool) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		text, err := readRequest(in)
		if err != nil {
			return
		}
		r.mu.Lock()
		n := len(r.requests)
		r.requests = append(r.requests, text)
		r.mu.Unlock()
		if !answer(n, conn) {
			return
		}
	}
}

func readRequest(in *bufio.Reader) (string, error) {
	var b bytes.Buffer
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		b.WriteString(line)
		if value, found := strings.CutPrefix(line, "Content-Length: "); found {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		if line == "\r\n" {
			_, err := io.CopyN(&b, in, int64(length))
			return b.String(), err
		}
	}
}

func (r *raw) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.requests...)
}

func (r *raw) config() contract.Config {
	return contract.Config{
		Queue: contract.Coordinates{Provider: contract.NATS, Name: "jobs"}, Application: "http://" + r.listener.Addr().String(),
		Path: "/", MimeType: "application/json", Connections: 4, ConnectTimeout: 1, InactivityTimeout: 1,
	}
}

func poster(t *testing.T, c contract.Config) *Poster {
	t.Helper()
	p, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func say(text string, keep bool) func(int, net.Conn) bool {
	return func(_ int, conn net.Conn) bool {
		_, _ = io.WriteString(conn, text)
		return keep
	}
}

// message is the one that the tests vary.
func message() *queue.Message {
	return &queue.Message{
		ID: "5fea7756-0ea4-451a-a703-a558b933e274", Body: []byte(`{"n": 1}`), Attempt: 3, SenderID: "AIDA1",
		SentAt:          time.Date(2026, 5, 4, 12, 0, 1, 999e6, time.UTC),
		FirstReceivedAt: time.Date(2026, 5, 4, 14, 0, 2, 5e6, time.FixedZone("", 7200)),
	}
}
