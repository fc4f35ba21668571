// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Store is the place for one namespace's objects.
type Store struct {
	// URL, Namespace and TokenFile as the flags say.
	URL, Namespace, TokenFile string
	// Patience is how long a store that is not there is waited for, Pause the first pause.
	Patience, Pause time.Duration
	// Stall is how long a body may bring nothing; a minute when zero.
	Stall time.Duration
}

// The kinds of objects.
const (
	Artifacts = "artifacts"
	Uploads   = "uploads"
	Snapshots = "snapshots"
)

// briefly is how long a refusal is doubted: the store may not have seen this pod yet.
const briefly = 30 * time.Second

var transport = &http.Transport{
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout:   10 * time.Second,
	ResponseHeaderTimeout: 2 * time.Minute,
	DisableCompression:    true,
}

// A store that redirects would see the token carried elsewhere.
var plain = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Download hands an object's bytes to use, again from the start whenever use says that the bytes did not arrive.
func (s Store) Download(ctx context.Context, kind, name string, use func(body io.Reader, size int64) error) error {
	return s.patiently(ctx, func() error {
		response, err := s.do(ctx, http.MethodGet, s.at(kind, name), nil, 0)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		return use(response.Body, response.ContentLength)
	})
}

// Sample hands the bytes of a platform's sample application to use.
func (s Store) Sample(ctx context.Context, name string, use func(body io.Reader, size int64) error) error {
	return s.patiently(ctx, func() error {
		response, err := s.do(ctx, http.MethodGet, "/v1/samples/"+url.PathEscape(name), nil, 0)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		return use(response.Body, response.ContentLength)
	})
}

// Upload stores a file of known digest. Storing the same again does no harm, so it is repeated after every doubt.
func (s Store) Upload(ctx context.Context, digest string, content io.ReaderAt, size int64) error {
	return s.put(ctx, Artifacts, "sha256:"+digest, content, size)
}

// Keep stores a snapshot under its name. The same bytes again do no harm; a name with other bytes is refused.
func (s Store) Keep(ctx context.Context, name string, content io.ReaderAt, size int64) error {
	return s.put(ctx, Snapshots, name, content, size)
}

func (s Store) put(ctx context.Context, kind, name string, content io.ReaderAt, size int64) error {
	return s.patiently(ctx, func() error {
		response, err := s.do(ctx, http.MethodPut, s.at(kind, name), io.NewSectionReader(content, 0, size), size)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
		return errors.Join(err, response.Body.Close())
	})
}

func (s Store) at(kind, name string) string {
	return "/v1/namespaces/" + url.PathEscape(s.Namespace) + "/" + kind + "/" + url.PathEscape(name)
}

func (s Store) do(ctx context.Context, method, path string, body io.Reader, size int64) (*http.Response, error) {
	token, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the store's token: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL, "/")+path, body)
	if err != nil {
		cancel()
		return nil, report.Fail(report.Internal, "The store's address is not valid.")
	}
	request.ContentLength = size
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := plain.Do(request)
	if err != nil {
		cancel()
		return nil, report.FailForNow(report.StoreUnavailable, "The artifact store did not answer: %v. Check that the operator runs and that network policies allow it.", cause(err))
	}
	response.Body = Watch(response.Body, cmp.Or(s.Stall, time.Minute), cancel)
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusCreated {
		return response, nil
	}
	defer response.Body.Close()
	return nil, answer(response)
}

// cause is an HTTP error without the address, which may hold secrets.
func cause(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// answer words what the store refused.
func answer(response *http.Response) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.NewDecoder(io.LimitReader(response.Body, 4096)).Decode(&said) != nil || said.Error == "" {
		said.Error = response.Status
	}
	switch code := response.StatusCode; {
	case code == http.StatusRequestEntityTooLarge:
		return report.Fail(report.ArtifactTooLarge, "The store refused it as too large: %s", said.Error)
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return report.FailForNow(report.StoreUnavailable, "The artifact store is not ready: %s", said.Error)
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusNotFound:
		return &denied{report.Failure{Reason: report.StoreUnavailable, Text: "The artifact store refused: " + said.Error}}
	}
	return report.Fail(report.StoreUnavailable, "The artifact store refused: %s", said.Error)
}

// denied is believed only after a while.
type denied struct{ failure report.Failure }

func (d *denied) Error() string { return d.failure.Text }
func (d *denied) Unwrap() error { return &d.failure }

// patiently repeats what may succeed later, with growing pauses, until the store's patience ends.
func (s Store) patiently(ctx context.Context, try func() error) error {
	started, pause := time.Now(), max(s.Pause, time.Millisecond)
	for {
		err := try()
		if err == nil {
			return nil
		}
		failure := report.AsFailure(err)
		var no *denied
		doubt := errors.As(err, &no) && time.Since(started) < min(briefly, s.Patience)
		again := failure.Retry && failure.Reason != report.Internal || doubt
		if !again || time.Since(started)+pause > s.Patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause = min(pause*2, 15*time.Second)
	}
}
