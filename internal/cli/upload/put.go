// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Tries of a request that fails for a reason that may pass by itself. Sending the same bytes twice does no harm.
const tries = 3

// Store is where uploads go, and in whose name.
type Store struct {
	URL   string
	Token string
	// Pause before the second try; longer before each further one.
	Pause time.Duration
}

// File is what to send.
type File struct {
	Path   string
	Size   int64
	SHA256 string
}

// Refusal is what the store answers instead of taking a file.
type Refusal struct {
	Code    int
	Reason  string
	Message string
}

// Error is the answer with what to do next.
func (r *Refusal) Error() string {
	next := ""
	switch r.Code {
	case http.StatusUnauthorized:
		next = "; the token is not valid for this cluster: log in again, or see --upload-service-account"
	case http.StatusForbidden:
		next = "; uploading needs the right to create applicationversions.beanpod.dev in the namespace"
	case http.StatusConflict:
		next = "; choose another --name"
	case http.StatusNotFound:
		next = "; is the store turned on (--store of the operator)?"
	}
	return fmt.Sprintf("the store refuses the upload: %s (%d %s)%s", r.Message, r.Code, r.Reason, next)
}

// Put sends a file. The name can be used once; sending the same bytes again is fine. Sent is told how many bytes are on their way.
func (s Store) Put(ctx context.Context, namespace, name string, file File, sent func(int64)) error {
	target, err := url.JoinPath(s.URL, "v1", "namespaces", namespace, "uploads", name)
	if err != nil {
		return fmt.Errorf("the address of the store: %w", err)
	}
	for try := 1; ; try++ {
		err := s.put(ctx, target, file, sent)
		var refusal *Refusal
		final := errors.As(err, &refusal) && refusal.Code < 500 && refusal.Code != http.StatusTooManyRequests
		if err == nil || final || ctx.Err() != nil || try == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * s.Pause):
		}
	}
}

func (s Store) put(ctx context.Context, target string, file File, sent func(int64)) error {
	body, err := os.Open(file.Path)
	if err != nil {
		return fmt.Errorf("opening the bundle: %w", err)
	}
	defer func() { _ = body.Close() }() // only read
	counted := &meter{from: body, tell: sent}
	defer counted.stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, target, counted)
	if err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	request.ContentLength = file.Size
	request.Header.Set("Authorization", "Bearer "+s.Token)
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("X-Content-Sha256", file.SHA256)
	// A redirect would take the token to somebody else.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // only read
	if answer.StatusCode/100 == 2 {
		return nil
	}
	return refusal(answer)
}

func refusal(answer *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return fmt.Errorf("reading the store's answer: %w", err)
	}
	var said struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		said.Error = fmt.Sprintf("it says %.200q", text)
	}
	if said.Reason == "" {
		said.Reason = http.StatusText(answer.StatusCode)
	}
	return &Refusal{Code: answer.StatusCode, Reason: said.Reason, Message: said.Error}
}

// meter tells how much was read. After an early answer the body may still be read for a while, when nobody wants to know any more.
type meter struct {
	from io.Reader
	n    int64

	mu   sync.Mutex
	tell func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n += int64(n)
	if m.tell != nil {
		m.tell(m.n)
	}
	return n, err
}

func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell = nil
}
