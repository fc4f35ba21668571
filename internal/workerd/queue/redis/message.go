// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// field of an entry that is the body.
const field = "body"

// handle of a delivery.
type handle struct {
	id, token string
	// fields of the entry as they are, names and values in turn, for the dead letter.
	fields []string
}

var errAnswer = errors.New("the server's answer cannot be understood; is it Redis 6.2 or later?")

// parse reads the answer of the script receive.
func parse(raw []any, token string) (batch, error) {
	if len(raw) != 3 {
		return batch{}, errAnswer
	}
	entries, _ := raw[0].([]any)
	last, _ := raw[1].(string)
	due, _ := raw[2].(int64)
	b := batch{last: last, due: time.Duration(due) * time.Millisecond}
	for _, e := range entries {
		entry, _ := e.([]any)
		if len(entry) != 4 {
			return batch{}, errAnswer
		}
		id, _ := entry[0].(string)
		attempt, _ := entry[1].(int64)
		first, _ := entry[2].(string)
		fields, _ := entry[3].([]any)
		h := handle{id: id, token: token}
		for _, f := range fields {
			text, _ := f.(string)
			h.fields = append(h.fields, text)
		}
		b.messages = append(b.messages, message(h, int(attempt), first))
	}
	return b, nil
}

func message(h handle, attempt int, first string) *queue.Message {
	m := &queue.Message{ID: h.id, Attempt: max(attempt, 1), Handle: h, FirstReceivedAt: millis(first)}
	ms, _, _ := strings.Cut(h.id, "-")
	m.SentAt = millis(ms)
	// Producers may choose IDs, and those need not be times.
	if m.SentAt.Year() < 2015 || m.SentAt.After(m.FirstReceivedAt.Add(time.Hour)) {
		m.SentAt = m.FirstReceivedAt
	}
	m.Body, m.Attributes = content(h.fields)
	return m
}

func millis(text string) time.Time {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(n).UTC()
}

// content of an entry: the field "body" and the others as attributes. Without it, the only field's value, or all as JSON.
func content(fields []string) ([]byte, []queue.Attribute) {
	var (
		body       []byte
		attributes []queue.Attribute
		all        = map[string]string{}
	)
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		if _, repeated := all[name]; repeated {
			continue
		}
		all[name] = value
		if name == field {
			body = []byte(value)
		} else {
			attributes = append(attributes, queue.Attribute{Name: name, Value: value})
		}
	}
	if _, ok := all[field]; !ok {
		if len(fields) == 2 {
			return []byte(fields[1]), nil
		}
		body, _ = json.Marshal(all) // maps of strings always can
		return body, nil
	}
	slices.SortFunc(attributes, func(a, b queue.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return body, attributes
}

// deadFields are the entry's own, and what became of it.
func deadFields(h handle, m *queue.Message, name, reason string) []any {
	said := queue.DeadAttributes(&queue.Message{ID: m.ID, Attempt: m.Attempt, SentAt: m.SentAt}, name, reason)
	var out []any
	for i := 0; i+1 < len(h.fields); i += 2 {
		if !slices.ContainsFunc(said, func(a queue.Attribute) bool { return a.Name == h.fields[i] }) {
			out = append(out, h.fields[i], h.fields[i+1])
		}
	}
	for _, a := range said {
		out = append(out, a.Name, a.Value)
	}
	return out
}
