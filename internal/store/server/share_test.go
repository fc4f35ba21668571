// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// One who sends slowly on many connections keeps nobody else from uploading.
func TestNobodyTakesAllPlaces(t *testing.T) {
	s, _ := start(t)
	for i := range busiest + 8 {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		fmt.Fprintf(conn, "PUT /v1/namespaces/shop/uploads/a%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer slow\r\nContent-Length: 1000\r\n\r\nhalf", i)
	}
	put := func(token, name string) (int, string) {
		req, _ := http.NewRequest(http.MethodPut, s.URL+"/v1/namespaces/shop/uploads/"+name, strings.NewReader("all"))
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	deadline := time.Now().Add(10 * time.Second)
	for i := 0; ; i++ { // until all the others have arrived
		code, text := put("slow", fmt.Sprintf("b%d", i))
		if code == http.StatusTooManyRequests && strings.Contains(text, "slow has 8 requests under way") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the ninth request of one person is answered with %d %s", code, text)
		}
	}
	for i := range 20 {
		if code, text := put("other", fmt.Sprintf("c%d", i)); code != http.StatusOK {
			t.Fatalf("somebody else is answered with %d %s", code, text)
		}
	}
}

// A sender has to keep a pace.
func TestSlowSenderIsCutOff(t *testing.T) {
	t.Parallel()
	w := &deadlines{}
	b := &sender{in: strings.NewReader(strings.Repeat("x", 64<<10)), conn: http.NewResponseController(w), began: time.Unix(0, 0)}
	if _, err := b.Read(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(30, 0); !w.read.Equal(want) {
		t.Errorf("the first byte must come until %s, want %s", w.read, want)
	}
	_, _ = b.Read(make([]byte, 1))
	if want := time.Unix(32, 0); !w.read.Equal(want) {
		t.Errorf("after 64 KiB the next must come until %s, want %s", w.read, want)
	}
	b.bytes = 1 << 30
	_, _ = b.Read(make([]byte, 1))
	if want := time.Unix(0, 0).Add(slowest); !w.read.Equal(want) {
		t.Errorf("after 1 GiB the next must come until %s, want %s", w.read, want)
	}
}

// deadlines is a connection that notes its deadline.
type deadlines struct {
	http.ResponseWriter
	read time.Time
}

// SetReadDeadline is what http.ResponseController looks for.
func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	return nil
}
