// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
)

// ErrCrashed is what every request of a crashed process gets.
var ErrCrashed = errors.New("the process has crashed")

// times is how often ServerError and TooMany refuse.
const times = 2

// Faulty is the way to the API server of a process that meets a fault at one of its writes. Without a fault it only learns.
type Faulty struct {
	// Namespace is where writes count.
	Namespace string
	// Fault is what happens, once Arm was called; zero: nothing.
	Fault Fault
	// Died is told once that the process has crashed; nil: nobody.
	Died func()

	mu       sync.Mutex
	armed    bool
	dead     bool
	lifted   bool
	hits     int
	counts   map[string]int
	learned  []Learned
	sent     []sent
	held     func()
	body     []byte
	careless []string
}

// Learned is a write that happened.
type Learned struct {
	Point WritePoint
	// Creates and Accepted say what the server made of it.
	Creates, Accepted bool
}

// Wrap returns a configuration whose clients share the faults.
func (f *Faulty) Wrap(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	// A body that can be read is one that a stranger's object can be made of.
	out.ContentType = "application/json"
	out.Wrap(func(inner http.RoundTripper) http.RoundTripper { return faultyTransport{f, inner} })
	return out
}

// Arm begins to count, and lets the fault happen.
func (f *Faulty) Arm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.counts, f.learned = true, map[string]int{}, nil
}

// Lift ends a refusal.
func (f *Faulty) Lift() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lifted = true
}

// Hits is how often the fault happened.
func (f *Faulty) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// Learned are the writes since Arm, in order.
func (f *Faulty) Learned() []Learned {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.learned)
}

// Since are the writes after a moment, before Arm, too.
func (f *Faulty) Since(at time.Time) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, s := range f.sent {
		if s.at.After(at) {
			out = append(out, s.write)
		}
	}
	return out
}

// Body is what the write said at which the fault happened.
func (f *Faulty) Body() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.body
}

// Careless are deletions that did not say which object they meant.
func (f *Faulty) Careless() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.careless)
}

type sent struct {
	at    time.Time
	write string
}

type faultyTransport struct {
	*Faulty
	inner http.RoundTripper
}

// RoundTrip counts the request, and lets happen to it what the fault says.
func (t faultyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	name := write(req, t.Namespace)
	if name == "" {
		if t.isDead() {
			return nil, ErrCrashed
		}
		return t.inner.RoundTrip(req)
	}
	body, err := read(req)
	if err != nil {
		return nil, err
	}
	index, hit, err := t.note(req, name, body)
	switch {
	case err != nil:
		return nil, err
	case hit:
		return t.strike(req, body, index)
	}
	resp, err := t.inner.RoundTrip(req)
	t.answered(index, resp)
	t.arrive()
	return resp, err
}

func (f *Faulty) isDead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// read takes a body, and puts it back.
func read(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// note counts a write and says whether the fault happens to it; the index is that among the learned writes, or -1.
func (f *Faulty) note(req *http.Request, name string, body []byte) (index int, hit bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return -1, false, ErrCrashed
	}
	f.sent = append(f.sent, sent{time.Now(), name})
	if req.Method == http.MethodDelete && !bytes.Contains(body, []byte(`"preconditions":{"uid"`)) {
		f.careless = append(f.careless, name)
	}
	if !f.armed {
		return -1, false, nil
	}
	f.counts[name]++
	point := WritePoint{name, f.counts[name]}
	f.learned = append(f.learned, Learned{Point: point})
	if hit = f.happens(point); hit {
		f.hits++
		f.body = body
		f.dead = f.Fault.Mode.Crashes()
	}
	return len(f.learned) - 1, hit, nil
}

func (f *Faulty) happens(point WritePoint) bool {
	at := f.Fault.Point
	switch f.Fault.Mode {
	case "":
		return false
	case ServerError, TooMany:
		return point.Write == at.Write && point.Occurrence >= at.Occurrence && f.hits < times
	case Denied, Refused:
		return point.Write == at.Write && point.Occurrence >= at.Occurrence && !f.lifted
	default:
		return point == at && f.hits == 0
	}
}

func (f *Faulty) answered(index int, resp *http.Response) {
	if index < 0 || resp == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.learned[index].Accepted = resp.StatusCode < 300
	f.learned[index].Creates = resp.StatusCode == http.StatusCreated
}

// arrive lets a request happen that was held up on its way.
func (f *Faulty) arrive() {
	f.mu.Lock()
	held := f.held
	f.held = nil
	f.mu.Unlock()
	if held != nil {
		held()
	}
}

// strike is the fault.
func (t faultyTransport) strike(req *http.Request, body []byte, index int) (*http.Response, error) {
	mode := t.Fault.Mode
	send := func(req *http.Request) {
		if resp, err := t.inner.RoundTrip(req); err == nil {
			t.answered(index, resp)
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	if mode.commits() {
		send(req)
	}
	switch {
	case mode.Crashes():
		if t.Died != nil {
			t.Died()
		}
		return nil, ErrCrashed
	case mode == LostAnswer:
		return nil, io.ErrUnexpectedEOF
	case mode == Late:
		again := req.Clone(context.WithoutCancel(req.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		t.mu.Lock()
		t.held = func() { send(again) }
		t.mu.Unlock()
	}
	return refusal(req, mode)
}

// refusal is what the server answers instead of doing it.
func refusal(req *http.Request, mode Mode) (*http.Response, error) {
	none := schema.GroupResource{}
	why := errors.New("a policy says no")
	status := map[Mode]*apierrors.StatusError{
		Conflict:    apierrors.NewConflict(none, "", errors.New("somebody was quicker")),
		ServerError: apierrors.NewInternalError(errors.New("etcd has no leader")),
		TooMany:     apierrors.NewTooManyRequests("slow down", 1),
		Denied:      apierrors.NewForbidden(none, "", errors.New("the role was changed")),
		Refused:     apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Forbidden(field.NewPath("spec"), why.Error())}),
		Late:        apierrors.NewTimeoutError("the request timed out", 0),
	}[mode].Status()
	status.Kind, status.APIVersion = "Status", "v1"
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	out := &http.Response{
		StatusCode: int(status.Code), Status: http.StatusText(int(status.Code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(raw)), ContentLength: int64(len(raw)),
	}
	if mode == TooMany {
		out.Header.Set("Retry-After", "1")
	}
	return out, nil
}
