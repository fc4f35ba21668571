// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// auditPolicy records every request once, when it is answered, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
`

// Audit is the API server's own record of who asked for what: the only count that no client can get wrong.
type Audit struct{ path string }

// Request is one answered request.
type Request struct {
	Verb                                   string
	Resource, Subresource, Namespace, Name string
	Code                                   int
	At                                     time.Time
}

// String is the request as it is told in failures: "patch environments/status shop/blue (200)".
func (r Request) String() string {
	what := r.Resource
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	return fmt.Sprintf("%s %s %s/%s (%d)", r.Verb, what, r.Namespace, r.Name, r.Code)
}

// Write says whether the request is one that the counts are about: not a lease, not an event.
func (r Request) Write() bool {
	return (r.Verb == "create" || r.Verb == "update" || r.Verb == "patch" || r.Verb == "delete" || r.Verb == "deletecollection") && !r.Event() && r.Resource != "leases"
}

// Event says whether the request tells people something.
func (r Request) Event() bool { return r.Resource == "events" }

// Read says whether the request asks for an object or a list, and does not belong to a cache that is being filled: caches list
// all namespaces at once.
func (r Request) Read() bool {
	return r.Resource != "leases" && r.Resource != "" && (r.Verb == "get" || (r.Verb == "list" && r.Namespace != ""))
}

// Counts are what requests add up to.
type Counts struct{ Writes, Reads, Events, Conflicts int }

// Count adds up.
func Count(list []Request) Counts {
	var c Counts
	for _, r := range list {
		switch {
		case r.Write():
			c.Writes++
		case r.Event():
			c.Events++
		case r.Read():
			c.Reads++
		}
		if r.Code == 409 && r.Resource != "leases" {
			c.Conflicts++
		}
	}
	return c
}

// Mark is a moment in the record.
type Mark int64

// Mark returns now.
func (a *Audit) Mark() (Mark, error) {
	info, err := os.Stat(a.path)
	if err != nil {
		return 0, fmt.Errorf("reading the audit log: %w", err)
	}
	return Mark(info.Size()), nil
}

// Since returns the requests that a user made after a mark; in one namespace, or in all when it is empty. Watches are left out.
func (a *Audit) Since(mark Mark, user, namespace string) ([]Request, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(int64(mark), io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	var out []Request
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return out, nil // the end; half a line is not answered yet
		}
		if !bytes.Contains(line, []byte(user)) {
			continue
		}
		r, who, err := parse(line)
		if err != nil {
			return nil, err
		}
		if who == user && r.Verb != "watch" && (namespace == "" || r.Namespace == namespace) {
			out = append(out, r)
		}
	}
}

func parse(line []byte) (Request, string, error) {
	var e struct {
		Verb      string
		User      struct{ Username string }
		ObjectRef struct{ Resource, Subresource, Namespace, Name string }
		// Response and time.
		ResponseStatus           struct{ Code int }
		RequestReceivedTimestamp time.Time
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return Request{}, "", fmt.Errorf("reading the audit log: %w in %s", err, line)
	}
	return Request{
		Verb: e.Verb, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource, Namespace: e.ObjectRef.Namespace,
		Name: e.ObjectRef.Name, Code: e.ResponseStatus.Code, At: e.RequestReceivedTimestamp,
	}, e.User.Username, nil
}

// Tell lists requests for a failure, one a line.
func Tell(list []Request) string {
	var out strings.Builder
	for _, r := range list {
		fmt.Fprintf(&out, "\n  %s %s", r.At.Format("05.000"), r)
	}
	return out.String()
}
