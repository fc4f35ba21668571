// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// userAgent begins as receivers test it: they take requests of an agent "aws-sqsd" for the daemon's.
const userAgent = "aws-sqsd/3.0"

// The daemon's headers, spelled as Beanstalk's daemon does.
const (
	headerPrefix    = "X-Aws-Sqsd-"
	attributePrefix = headerPrefix + "Attr-"
	headerTask      = headerPrefix + "Taskname"
	headerScheduled = headerPrefix + "Scheduled-At"
)

// timeFormat is ISO 8601 in UTC, in seconds.
const timeFormat = "2006-01-02T15:04:05Z"

// The W3C trace context. A tracestate means nothing without its traceparent.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

var validTraceParent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// task is what marks a message as a periodic task; the zero value is an ordinary message.
type task struct{ name, path, scheduled string }

func taskOf(m *queue.Message) task {
	var t task
	for _, a := range m.Attributes {
		switch a.Name {
		case contract.AttributePath:
			t.path = a.Value
		case contract.AttributeTask:
			t.name = a.Value
		case contract.AttributeScheduled:
			t.scheduled = a.Value
		}
	}
	if t.name == "" || t.path == "" {
		return task{}
	}
	return t
}

// target is where a message goes on the application: only the path of a task is taken, never a host.
func (p *Poster) target(t task) (*url.URL, error) {
	if t.name == "" {
		return p.url, nil
	}
	u, err := url.ParseRequestURI(t.path)
	if err != nil || !strings.HasPrefix(t.path, "/") {
		return nil, fmt.Errorf("the path %q of the periodic task %s is no path of the application; correct it in cron.yaml or periodicTasks", t.path, t.name)
	}
	u.Scheme, u.Host = p.url.Scheme, p.url.Host
	return u, nil
}

// headers of one POST. Keys are written as they are here, and sorted by net/http. The number of attributes that could not be
// headers is returned too.
func (p *Poster) headers(m *queue.Message, t task, path string) (http.Header, int) {
	// One array for all values, beside those that never change.
	values := [...]string{clean(m.ID), path, strconv.Itoa(max(m.Attempt, 1)), format(m.FirstReceivedAt), format(m.SentAt)}
	h := http.Header{
		"User-Agent":                       p.userAgent,
		"Content-Type":                     p.mimeType,
		headerPrefix + "Msgid":             values[0:1:1],
		headerPrefix + "Queue":             p.queue,
		headerPrefix + "Path":              values[1:2:2],
		headerPrefix + "Receive-Count":     values[2:3:3],
		headerPrefix + "First-Received-At": values[3:4:4],
		headerPrefix + "Sent-At":           values[4:5:5],
	}
	if m.SenderID != "" {
		h[headerPrefix+"Sender-Id"] = []string{clean(m.SenderID)}
	}
	if t.name != "" {
		h[headerTask] = []string{clean(t.name)}
		h[headerScheduled] = []string{clean(t.scheduled)}
	}
	return h, addAttributes(h, m.Attributes)
}

// addAttributes adds a header for each attribute, and the trace context. It leaves out what is reserved, names that are no
// header names, and names that differ only by case from one before, and returns how many of the latter two there were.
func addAttributes(h http.Header, attributes []queue.Attribute) (skipped int) {
	if len(attributes) == 0 {
		return 0
	}
	seen := make(map[string]bool, len(attributes))
	for _, a := range attributes {
		lower := strings.ToLower(a.Name)
		if strings.HasPrefix(lower, contract.AttributePrefix) {
			continue
		}
		if !isToken(a.Name) || seen[lower] {
			skipped++
			continue
		}
		seen[lower] = true
		value := []string{clean(a.Value)}
		h[attributePrefix+a.Name] = value
		if lower == traceParent || lower == traceState {
			h[lower] = value
		}
	}
	if parent := h[traceParent]; parent == nil || !validTraceParent.MatchString(parent[0]) {
		delete(h, traceParent)
		delete(h, traceState)
	}
	return skipped
}

func format(t time.Time) string { return t.UTC().Format(timeFormat) }

// clean replaces what may not stand in a header's value by spaces, as RFC 9110 5.5 has it: line ends in JSON stay harmless, and
// nothing can begin a header or a request of its own. Text in UTF-8 is passed on.
func clean(value string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, value), " \t")
}

// isToken says whether name can be part of a header's name (RFC 9110 5.6.2).
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}
