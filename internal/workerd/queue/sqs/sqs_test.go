// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

func receiveOne(t *testing.T, q *Queue) *queue.Message {
	t.Helper()
	got, err := q.Receive(t.Context(), 1, 5*time.Second)
	if err != nil || len(got) != 1 {
		t.Fatalf("Receive: %d messages, %v", len(got), err)
	}
	return got[0]
}

func TestLocate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in       contract.Coordinates
		endpoint string
		want     place
		err      string
	}{
		"queue of Amazon": {
			in:   contract.Coordinates{URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs.fifo"},
			want: place{url: "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs.fifo", name: "jobs.fifo", region: "eu-central-1"},
		},
		"in China": {
			in:   contract.Coordinates{URL: "https://sqs.cn-north-1.amazonaws.com.cn/1/a"},
			want: place{url: "https://sqs.cn-north-1.amazonaws.com.cn/1/a", name: "a", region: "cn-north-1"},
		},
		"FIPS":                 {in: contract.Coordinates{URL: "https://sqs-fips.us-east-2.amazonaws.com/1/a"}, want: place{url: "https://sqs-fips.us-east-2.amazonaws.com/1/a", name: "a", region: "us-east-2"}},
		"old host":             {in: contract.Coordinates{URL: "https://us-west-2.queue.amazonaws.com/1/a"}, want: place{url: "https://us-west-2.queue.amazonaws.com/1/a", name: "a", region: "us-west-2"}},
		"oldest host":          {in: contract.Coordinates{URL: "https://queue.amazonaws.com/1/a"}, want: place{url: "https://queue.amazonaws.com/1/a", name: "a", region: "us-east-1"}},
		"the setting wins":     {in: contract.Coordinates{URL: "https://queue.amazonaws.com/1/a", Region: "eu-west-1"}, want: place{url: "https://queue.amazonaws.com/1/a", name: "a", region: "eu-west-1"}},
		"private endpoint":     {in: contract.Coordinates{URL: "https://vpce-1-x.sqs.eu-west-1.vpce.amazonaws.com/1/a"}, want: place{url: "https://vpce-1-x.sqs.eu-west-1.vpce.amazonaws.com/1/a", name: "a", region: "eu-west-1", endpoint: "https://vpce-1-x.sqs.eu-west-1.vpce.amazonaws.com"}},
		"another server":       {in: contract.Coordinates{URL: "http://queues.example:9324/q/a", Region: "x"}, want: place{url: "http://queues.example:9324/q/a", name: "a", region: "x", endpoint: "http://queues.example:9324"}},
		"endpoint by Secret":   {in: contract.Coordinates{URL: "http://queues.example/q/a", Region: "x"}, endpoint: "http://other", want: place{url: "http://queues.example/q/a", name: "a", region: "x", endpoint: "http://other"}},
		"generated":            {in: contract.Coordinates{Name: "shop-worker", Region: "eu-west-1", Generated: true}, want: place{name: "shop-worker", region: "eu-west-1"}},
		"generated, by URL":    {in: contract.Coordinates{URL: "https://sqs.eu-west-1.amazonaws.com/1/a", Generated: true}, want: place{name: "a", region: "eu-west-1"}},
		"no queue in the URL":  {in: contract.Coordinates{URL: "https://sqs.eu-west-1.amazonaws.com/"}, err: "has no name"},
		"nothing":              {err: "has no name"},
		"not a URL":            {in: contract.Coordinates{URL: "jobs"}, err: "not one of SQS"},
		"another kind of URL":  {in: contract.Coordinates{URL: "amqp://host/jobs"}, err: "not one of SQS"},
		"a host that imitates": {in: contract.Coordinates{URL: "https://sqs.eu-west-1.amazonaws.com.evil.example/1/a"}, want: place{url: "https://sqs.eu-west-1.amazonaws.com.evil.example/1/a", name: "a", endpoint: "https://sqs.eu-west-1.amazonaws.com.evil.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := locate(test.in, test.endpoint)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	c := contract.Coordinates{Name: "jobs", Region: "eu-central-1"}
	_, err := Open(t.Context(), c, queue.Options{}, map[string]string{keyID: "a"})
	if err == nil || !strings.Contains(err.Error(), "give both") {
		t.Errorf("half of the credentials: %v", err)
	}
	c.Name = queuetest.Name(t)
	_, err = Open(t.Context(), c, queue.Options{}, secret(t))
	if err == nil || !strings.Contains(err.Error(), "does not exist in its region and account; create it") {
		t.Errorf("a queue that is not there: %v", err)
	}
}

// TestGenerate: a daemon with newer settings brings the queues in line, and others find them.
func TestGenerate(t *testing.T) {
	t.Parallel()
	o := queue.Options{Visibility: 300 * time.Second, Retention: 4 * 24 * time.Hour, MaxAttempts: 10}
	name := queuetest.Name(t)
	first := open(t, name, o)
	if err := first.Send(t.Context(), "", []byte("kept"), nil); err != nil {
		t.Fatal(err)
	}
	open(t, name, o)
	o.Visibility, o.Retention, o.MaxAttempts = 90*time.Second, time.Hour, 4
	q := open(t, name, o)
	attributes, err := q.attributes(t.Context(), q.url)
	if err != nil {
		t.Fatal(err)
	}
	_, receives := parseRedrive(attributes["RedrivePolicy"])
	got := fmt.Sprint(attributes["VisibilityTimeout"], " ", attributes["MessageRetentionPeriod"], " ", receives, " ", q.dead.retention, " ", attributes["ApproximateNumberOfMessages"])
	if want := "90 3600 4 336h0m0s 1"; got != want {
		t.Errorf("attributes %s, want %s", got, want)
	}
	if warnings := q.Warnings(); len(warnings) > 0 {
		t.Errorf("a generated queue warns: %v", warnings)
	}
	if !strings.HasSuffix(q.DeadLetterURL(), "/"+name+"-dead") || q.FIFO() {
		t.Errorf("dead letters in %s, FIFO %v", q.DeadLetterURL(), q.FIFO())
	}
	if q := open(t, name+fifoSuffix, o); !strings.HasSuffix(q.DeadLetterURL(), "/"+name+"-dead.fifo") || !q.FIFO() {
		t.Errorf("dead letters in %s, FIFO %v", q.DeadLetterURL(), q.FIFO())
	}
}

// TestRedrive: at the limit of the queue's own policy SQS moves the message, once, and keeps its identity.
func TestRedrive(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", fifoSuffix} {
		q := open(t, queuetest.Name(t)+suffix, queue.Options{Visibility: time.Minute, Retention: time.Hour, MaxAttempts: 2})
		if err := q.Send(t.Context(), "", []byte("poison"), nil); err != nil {
			t.Fatal(err)
		}
		m := receiveOne(t, q)
		if err := q.Release(t.Context(), m, 0, true); err != nil {
			t.Fatal(err)
		}
		m = receiveOne(t, q)
		for range 2 {
			if err := q.DeadLetter(t.Context(), m, "It was poison"); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := q.Receive(t.Context(), 10, 1500*time.Millisecond); err != nil || len(got) > 0 {
			t.Fatalf("Receive after burying: %d messages, %v", len(got), err)
		}
		if dead := deadLetters(t, q); len(dead) != 1 || dead[0].ID != m.ID {
			t.Errorf("%d dead letters", len(dead))
		}
	}
}

func TestWithoutRedrivePolicy(t *testing.T) {
	t.Parallel()
	q := plain(t, map[string]string{"MessageRetentionPeriod": "600"}, queue.Options{Visibility: 5 * time.Minute, Retention: time.Hour, MaxAttempts: 10})
	if err := q.Send(t.Context(), "", []byte("poison"), nil); err != nil {
		t.Fatal(err)
	}
	m := receiveOne(t, q)
	if err := q.DeadLetter(t.Context(), m, "It was poison"); !errors.Is(err, ErrNoDeadLetterQueue) {
		t.Errorf("DeadLetter: %v", err)
	}
	if err := q.Release(t.Context(), m, 0, true); err != nil {
		t.Fatal(err)
	}
	if again := receiveOne(t, q); again.Attempt != 2 || q.DeadLetterURL() != "" {
		t.Errorf("attempt %d, dead letters in %q", again.Attempt, q.DeadLetterURL())
	}
	want := []string{
		"The SQS queue " + q.name + " drops messages after 10m0s, before the environment's retention of 1h0m0s ends; raise its message retention period.",
		"The SQS queue " + q.name + " drops messages after 10m0s; 10 attempts of 5m0s may take longer, and the message is lost then; raise its message retention period.",
		"The SQS queue " + q.name + " has no redrive policy: maxRetries has no effect, and a message that always fails is tried until the queue drops it; give the queue a dead-letter queue.",
	}
	if diff := cmp.Diff(want, q.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestOrder: a message that failed holds up its group, and no other one.
func TestOrder(t *testing.T) {
	t.Parallel()
	q := plain(t, map[string]string{"FifoQueue": "true"}, queue.Options{Visibility: time.Minute})
	for _, m := range []string{"a1", "a2", "b1"} {
		if err := q.SendTo(t.Context(), m[:1], "", []byte(m), nil); err != nil {
			t.Fatal(err)
		}
	}
	first := receiveOne(t, q)
	if err := q.Release(t.Context(), first, 2*time.Second, true); err != nil {
		t.Fatal(err)
	}
	var order []string
	for range 3 {
		m := receiveOne(t, q)
		order = append(order, string(m.Body))
		if err := q.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"b1", "a1", "a2"}, order); string(first.Body) != "a1" || diff != "" {
		t.Errorf("first %s, then (-want +got):\n%s", first.Body, diff)
	}
}

func TestManyAtATime(t *testing.T) {
	t.Parallel()
	q := plain(t, nil, queue.Options{Visibility: time.Minute})
	for i := range 35 {
		if err := q.Send(t.Context(), "", fmt.Append(nil, i), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{28, 7} {
		if got, err := q.Receive(t.Context(), 28, time.Second); err != nil || len(got) != want {
			t.Errorf("Receive: %d messages, %v; want %d", len(got), err, want)
		}
	}
}

// TestCloseGivesBack: what a poll brings that nobody waits for any more is there for others at once.
func TestCloseGivesBack(t *testing.T) {
	t.Parallel()
	q := plain(t, nil, queue.Options{Visibility: time.Minute})
	other, err := Open(t.Context(), contract.Coordinates{URL: q.url, Region: "eu-central-1"}, q.options, secret(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if _, err := q.Receive(ctx, 10, 20*time.Second); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := other.Send(t.Context(), "", []byte("late"), nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := q.Close(); err != nil || time.Since(began) > longestPoll {
		t.Errorf("Close: %v after %v", err, time.Since(began))
	}
	if m := receiveOne(t, other.(*Queue)); string(m.Body) != "late" || time.Since(began) > time.Second {
		t.Errorf("got %s after %v", m.Body, time.Since(began))
	}
}

func TestAttributeTypes(t *testing.T) {
	t.Parallel()
	q := plain(t, nil, queue.Options{Visibility: time.Minute})
	value := func(kind, text string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: &kind, StringValue: &text}
	}
	_, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String("{}"), MessageAttributes: map[string]types.MessageAttributeValue{
		"binary": {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}}, "json": value("String.json", "[]"), "int": value("Number.int", "7"), "plain": value("String", "x"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []queue.Attribute{{Name: "int", Value: "7"}, {Name: "json", Value: "[]"}, {Name: "plain", Value: "x"}}
	if diff := cmp.Diff(want, receiveOne(t, q).Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if err := q.Send(t.Context(), "", []byte{'a', 0xff}, nil); err == nil || !strings.Contains(err.Error(), "takes text only") {
		t.Errorf("Send of bytes: %v", err)
	}
}

func TestDeadAttributes(t *testing.T) {
	t.Parallel()
	ours := queue.DeadAttributes(&queue.Message{ID: "1", Attempt: 2}, "jobs", "bad\x00byte")
	own := map[string]types.MessageAttributeValue{"binary": {DataType: aws.String("Binary"), BinaryValue: []byte{1}}, queue.AttributeAttempts: text("9")}
	for i := range 7 {
		own[fmt.Sprint("own-", i)] = text("x")
	}
	got := deadAttributes(own, ours)
	if len(got) != mostAttributes || got["binary"].BinaryValue == nil || aws.ToString(got[queue.AttributeReason].StringValue) != "bad\uFFFDbyte" || aws.ToString(got[queue.AttributeAttempts].StringValue) != "2" {
		t.Errorf("attributes of the dead letter: %v", got)
	}
	if len(own) != 9 {
		t.Error("the message's own attributes were changed")
	}
}

// TestAnswersOfAmazon: what the server of the tests does otherwise than Amazon's.
func TestAnswersOfAmazon(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code, message string
		gone          bool
	}{
		"not in flight":        {"MessageNotInflight", "The message is not in flight.", true},
		"deleted":              {"InvalidParameterValue", "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", true},
		"expired":              {"InvalidParameterValue", "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", true},
		"not a receipt":        {"ReceiptHandleIsInvalid", "The input receipt handle is invalid.", true},
		"beyond twelve hours":  {"InvalidParameterValue", "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.", false},
		"forbidden":            {"AccessDeniedException", "User is not authorized to perform: sqs:changemessagevisibility", false},
		"the queue is deleted": {"QueueDoesNotExist", "The specified queue does not exist.", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			amazon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":%q}`, test.code, test.message)
			}))
			t.Cleanup(amazon.Close)
			client, err := newClient(t.Context(), place{region: "eu-central-1", endpoint: amazon.URL}, map[string]string{keyID: "a", keySecret: "b"})
			if err != nil {
				t.Fatal(err)
			}
			q := &Queue{client: client, url: "http://x/1/jobs", name: "jobs"}
			m := &queue.Message{Handle: &held{receipt: "AQEB", cap: time.Now().Add(time.Hour), until: time.Now().Add(time.Hour)}}
			if err := q.Extend(t.Context(), m, time.Minute); err == nil || errors.Is(err, queue.ErrGone) != test.gone {
				t.Errorf("Extend: %v", err)
			}
			if err := q.Delete(t.Context(), m); err == nil || errors.Is(err, queue.ErrGone) != test.gone {
				t.Errorf("Delete: %v", err)
			}
		})
	}
}

// TestTwelveHours: extensions end at SQS's limit, and never ask for 0 seconds, which would give the message back.
func TestTwelveHours(t *testing.T) {
	t.Parallel()
	q := plain(t, nil, queue.Options{Visibility: time.Minute})
	if err := q.Send(t.Context(), "", []byte("long"), nil); err != nil {
		t.Fatal(err)
	}
	m := receiveOne(t, q)
	h := m.Handle.(*held)
	h.cap = time.Now().Add(90 * time.Minute)
	if err := q.Extend(t.Context(), m, 12*time.Hour); err != nil || time.Until(h.until) > 90*time.Minute || time.Until(h.until) < 89*time.Minute {
		t.Errorf("extended by %v, %v", time.Until(h.until), err)
	}
	h.cap = time.Now().Add(900 * time.Millisecond)
	if err := q.Extend(t.Context(), m, time.Hour); !errors.Is(err, queue.ErrGone) {
		t.Errorf("Extend at the limit: %v", err)
	}
	if got, err := q.Receive(t.Context(), 1, time.Second); err != nil || len(got) > 0 {
		t.Errorf("the message was given back: %d, %v", len(got), err)
	}
}
