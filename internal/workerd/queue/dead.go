// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"slices"
	"strconv"
	"strings"
)

// Attributes of a dead letter, beside those that the message had.
const (
	deadPrefix         = "beanpod.dead."
	AttributeReason    = deadPrefix + "reason"
	AttributeQueue     = deadPrefix + "queue"
	AttributeMessageID = deadPrefix + "id"
	AttributeAttempts  = deadPrefix + "attempts"
	AttributeSentAt    = deadPrefix + "sent_at"
)

// DeadAttributes are those of a message's dead letter, in the order of their names: its own, and what became of it. A message
// that was a dead letter before, and was put back by hand, says what happened last.
func DeadAttributes(m *Message, queue, reason string) []Attribute {
	out := slices.DeleteFunc(slices.Clone(m.Attributes), func(a Attribute) bool { return strings.HasPrefix(a.Name, deadPrefix) })
	out = append(out,
		Attribute{Name: AttributeReason, Value: reason},
		Attribute{Name: AttributeQueue, Value: queue},
		Attribute{Name: AttributeMessageID, Value: m.ID},
		Attribute{Name: AttributeAttempts, Value: strconv.Itoa(m.Attempt)},
		Attribute{Name: AttributeSentAt, Value: m.SentAt.UTC().Format("2006-01-02T15:04:05.000Z")},
	)
	slices.SortStableFunc(out, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return out
}
