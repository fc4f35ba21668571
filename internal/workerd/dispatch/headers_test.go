// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// lines joins with the line end of HTTP.
func lines(l ...string) string { return strings.Join(l, "\r\n") }

func TestRequestBytes(t *testing.T) {
	t.Parallel()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ordinary := []string{
		"POST / HTTP/1.1", "Host: localhost", "User-Agent: aws-sqsd/3.0", "Content-Length: 8", "Content-Type: application/json",
		"X-Aws-Sqsd-First-Received-At: 2026-05-04T12:00:02Z", "X-Aws-Sqsd-Msgid: 5fea7756-0ea4-451a-a703-a558b933e274", "X-Aws-Sqsd-Path: /",
		"X-Aws-Sqsd-Queue: jobs", "X-Aws-Sqsd-Receive-Count: 3", "X-Aws-Sqsd-Sender-Id: AIDA1", "X-Aws-Sqsd-Sent-At: 2026-05-04T12:00:01Z", "", `{"n": 1}`,
	}
	with := func(at int, more ...string) string {
		return lines(append(append(append([]string(nil), ordinary[:at]...), more...), ordinary[at:]...)...)
	}
	tests := map[string]struct {
		change func(*queue.Message, *contract.Config)
		want   string
	}{
		"ordinary": {func(*queue.Message, *contract.Config) {}, lines(ordinary...)},
		"path, type and queue of SQS": {
			func(_ *queue.Message, c *contract.Config) {
				c.Path, c.MimeType = "/work?v=1", "text/plain; charset=utf-8"
				c.Queue = contract.Coordinates{Provider: contract.SQS, URL: "https://sqs.eu-west-1.example/123456789012/orders.fifo"}
			},
			strings.NewReplacer("POST / ", "POST /work?v=1 ", "application/json", "text/plain; charset=utf-8", "Path: /", "Path: /work?v=1", "Queue: jobs", "Queue: orders.fifo").
				Replace(lines(ordinary...)),
		},
		"attributes": {
			func(m *queue.Message, _ *contract.Config) {
				m.Attributes = []queue.Attribute{{Name: "Colour", Value: "grün"}, {Name: "a.b_c-1", Value: " 42 "}}
			},
			with(5, "X-Aws-Sqsd-Attr-Colour: grün", "X-Aws-Sqsd-Attr-a.b_c-1: 42"),
		},
		"attributes that attack": {
			func(m *queue.Message, _ *contract.Config) {
				m.Attributes = []queue.Attribute{
					{Name: "a", Value: "1\r\nX-Aws-Sqsd-Taskname: forged\r\n\r\nGET / HTTP/1.1"},
					{Name: "A", Value: "twice"},
					{Name: "b: 1\r\nX-Forged", Value: "1"},
					{Name: "", Value: "1"},
					{Name: "grün", Value: "1"},
					{Name: "beanstalk.sqsd.path", Value: "/admin"},
					{Name: "Beanstalk.Sqsd.other", Value: "1"},
					{Name: "nul", Value: "\x00\x7f"},
				}
			},
			with(5, "X-Aws-Sqsd-Attr-a: 1  X-Aws-Sqsd-Taskname: forged    GET / HTTP/1.1", "X-Aws-Sqsd-Attr-nul: "),
		},
		"trace context": {
			func(m *queue.Message, _ *contract.Config) {
				m.Attributes = []queue.Attribute{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "a=1"}}
			},
			strings.Replace(with(5, "X-Aws-Sqsd-Attr-traceparent: "+parent, "X-Aws-Sqsd-Attr-tracestate: a=1"),
				"\r\n\r\n", "\r\ntraceparent: "+parent+"\r\ntracestate: a=1\r\n\r\n", 1),
		},
		"trace context that is none": {
			func(m *queue.Message, _ *contract.Config) {
				m.Attributes = []queue.Attribute{{Name: "traceparent", Value: "x"}, {Name: "tracestate", Value: "a=1"}}
			},
			with(5, "X-Aws-Sqsd-Attr-traceparent: x", "X-Aws-Sqsd-Attr-tracestate: a=1"),
		},
		"periodic task": {
			func(m *queue.Message, _ *contract.Config) {
				m.Body = []byte(contract.TaskBody)
				m.Attributes = []queue.Attribute{
					{Name: contract.AttributePath, Value: "/cron/a%0d%0ab?x=1"},
					{Name: contract.AttributeScheduled, Value: "2026-05-04T12:00:00Z"},
					{Name: contract.AttributeTask, Value: "nightly"},
				}
			},
			lines("POST /cron/a%0d%0ab?x=1 HTTP/1.1", "Host: localhost", "User-Agent: aws-sqsd/3.0", "Content-Length: 0", "Content-Type: application/json",
				"X-Aws-Sqsd-First-Received-At: 2026-05-04T12:00:02Z", "X-Aws-Sqsd-Msgid: 5fea7756-0ea4-451a-a703-a558b933e274", "X-Aws-Sqsd-Path: /cron/a%0d%0ab?x=1",
				"X-Aws-Sqsd-Queue: jobs", "X-Aws-Sqsd-Receive-Count: 3", "X-Aws-Sqsd-Scheduled-At: 2026-05-04T12:00:00Z", "X-Aws-Sqsd-Sender-Id: AIDA1",
				"X-Aws-Sqsd-Sent-At: 2026-05-04T12:00:01Z", "X-Aws-Sqsd-Taskname: nightly", "", ""),
		},
		"no body, no sender": {
			func(m *queue.Message, _ *contract.Config) { m.Body, m.SenderID = nil, "" },
			strings.NewReplacer("Content-Length: 8", "Content-Length: 0", "X-Aws-Sqsd-Sender-Id: AIDA1\r\n", "", `{"n": 1}`, "").Replace(lines(ordinary...)),
		},
		"body of any bytes": {
			func(m *queue.Message, _ *contract.Config) { m.Body = []byte("\x00\r\n\r\n\xff{}x") },
			strings.NewReplacer("Content-Length: 8", "Content-Length: 9", `{"n": 1}`, "\x00\r\n\r\n\xff{}x").Replace(lines(ordinary...)),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := serveRaw(t, say(ok, true))
			c, m := app.config(), message()
			test.change(m, &c)
			if out := poster(t, c).Post(t.Context(), m); out.Kind != Done {
				t.Fatalf("outcome %+v, want done", out)
			}
			if diff := cmp.Diff([]string{test.want}, app.seen()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTaskPathStaysOnTheApplication(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"http://elsewhere.example/", "cron", "*", "/a b", "/%zz", "\r\n/"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			app := serveRaw(t, say(ok, true))
			m := message()
			m.Attributes = []queue.Attribute{{Name: contract.AttributePath, Value: path}, {Name: contract.AttributeTask, Value: "t"}}
			out := poster(t, app.config()).Post(t.Context(), m)
			if out.Kind == Done && !strings.HasPrefix(app.seen()[0], "POST /") || out.Kind != Done && len(app.seen()) > 0 {
				t.Errorf("outcome %+v with requests %q", out, app.seen())
			}
			if path != "/a b" && out.Kind != Failed {
				t.Errorf("outcome %+v, want failed", out)
			}
		})
	}
}

// FuzzAttributes: whatever the attributes, the application reads exactly one request with the right body, and no header of the
// daemon's own is forged.
func FuzzAttributes(f *testing.F) {
	f.Add("name", "value", "other", "value")
	f.Add("a\r\nX-B", "1\r\n\r\nPOST /", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("beanstalk.sqsd.path", "//elsewhere.example", "beanstalk.sqsd.task_name", "t\x00")
	f.Add("Transfer-Encoding", "chunked", "\xff", "\xff\n")
	app := serveRawFuzz(f)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		m := message()
		m.Attributes = []queue.Attribute{{Name: name1, Value: value1}, {Name: name2, Value: value2}}
		before := len(app.raw.seen())
		out := app.poster.Post(t.Context(), m)
		got := app.raw.seen()[before:]
		if out.Kind == Failed && len(got) == 0 && taskOf(m).name != "" {
			return // The task's path is none.
		}
		if out.Kind != Done || len(got) != 1 {
			t.Fatalf("outcome %+v with requests %q", out, got)
		}
		checkRequest(t, m, got[0])
	})
}
