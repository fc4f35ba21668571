// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	client "github.com/nats-io/nats.go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Headers that are not attributes: those of NATS itself, and ours.
const (
	natsPrefix = "Nats-"
	ourPrefix  = "Beanpod-"
	// headerEncoded holds, as base64 of JSON, the attributes that a header cannot carry unchanged.
	headerEncoded = ourPrefix + "Attributes"
	// headerSubject of a dead letter is where the message was sent to.
	headerSubject = ourPrefix + "Subject"
)

// header writes attributes: as headers of their names, for everybody to read, wherever that changes nothing.
func header(list []queue.Attribute) client.Header {
	out := client.Header{}
	var encoded []queue.Attribute
	for _, a := range list {
		if plainName(a.Name) && plainValue(a.Value) {
			out.Set(a.Name, a.Value)
		} else {
			encoded = append(encoded, a)
		}
	}
	if len(encoded) > 0 {
		content, err := json.Marshal(encoded)
		if err == nil { // it always is: two strings
			out.Set(headerEncoded, base64.StdEncoding.EncodeToString(content))
		}
	}
	return out
}

func reserved(name string) bool {
	begins := func(prefix string) bool {
		return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	}
	return begins(natsPrefix) || begins(ourPrefix) || strings.EqualFold(name, "status") || strings.EqualFold(name, "description")
}

// plainName is stricter than NATS is: letters, digits and a few signs.
func plainName(name string) bool {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}
	return name != "" && !strings.ContainsFunc(name, odd) && !reserved(name)
}

func plainValue(value string) bool {
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	return !strings.ContainsFunc(value, odd) && strings.TrimSpace(value) == value
}

// attributes reads the headers of a message, whoever sent it, in the order of their names.
func attributes(h client.Header) []queue.Attribute {
	if len(h) == 0 {
		return nil
	}
	var out []queue.Attribute
	for name, values := range h {
		if !reserved(name) && len(values) > 0 {
			out = append(out, queue.Attribute{Name: name, Value: strings.Join(values, ", ")})
		}
	}
	if text := h.Get(headerEncoded); text != "" {
		var encoded []queue.Attribute
		if content, err := base64.StdEncoding.DecodeString(text); err == nil && json.Unmarshal(content, &encoded) == nil {
			out = append(out, encoded...)
		}
	}
	slices.SortFunc(out, func(a, b queue.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b queue.Attribute) bool { return a.Name == b.Name })
}
