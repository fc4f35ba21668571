// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package condition turns what the stages of one pass found into the conditions of an object. Pure. It is the only writer
// of Ready, Reconciling and Stalled. Controllers call it once, at the end of a pass.
package condition

import (
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// MaxMessage is the longest message that a condition carries, in bytes; longer ones are cut.
const MaxMessage = 1024

// Verdict is one condition without its bookkeeping.
type Verdict struct {
	Type    string
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// True makes a verdict with status True.
func True(kind, reason, message string) Verdict {
	return Verdict{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False makes a verdict with status False.
func False(kind, reason, message string) Verdict {
	return Verdict{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// Unknown makes a verdict with status Unknown.
func Unknown(kind, reason, message string) Verdict {
	return Verdict{Type: kind, Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Summary is what one pass found.
type Summary struct {
	// Verdicts are all conditions but Ready, Reconciling and Stalled. A condition that is missing here is removed.
	Verdicts []Verdict
	// Err is the first outcome that stopped the pass: nil, an outcome.Wait, an outcome.Stall, or a plain error that is retried.
	Err error
	// Busy, when not empty, is the reason of Ready and Reconciling while work goes on by itself; BusyMessage says what is left.
	Busy        string
	BusyMessage string
	// Hold, when not empty, is the reason why Ready is False although nothing is stuck or under way (paused, not yet supported).
	Hold        string
	HoldMessage string
	// Done is the reason, and DoneMessage the message, of Ready when it is True.
	Done        string
	DoneMessage string
}

// Summarize computes the whole condition list of an object. Ready comes first and is always there. Transition times are
// kept where the status stays the same, so that an unchanged pass gives an unchanged list. Precedence of Ready:
// Stall (False), Hold (False), plain error (False, Retrying, with Reconciling), Wait or Busy (Unknown, with Reconciling), else True.
func Summarize(old []metav1.Condition, generation int64, at metav1.Time, s Summary) []metav1.Condition {
	verdicts := append(progress(s), s.Verdicts...)
	out := make([]metav1.Condition, 0, len(verdicts))
	for _, v := range verdicts {
		c := metav1.Condition{
			Type: v.Type, Status: v.Status, Reason: v.Reason, Message: Cut(v.Message),
			ObservedGeneration: generation, LastTransitionTime: at,
		}
		if prev := Find(old, v.Type); prev != nil && prev.Status == c.Status {
			c.LastTransitionTime = prev.LastTransitionTime
		}
		out = append(out, c)
	}
	return out
}

// progress derives Ready and its two companions.
func progress(s Summary) []Verdict {
	stall, wait := outcome.AsStall(s.Err), outcome.AsWait(s.Err)
	switch {
	case stall != nil:
		return []Verdict{
			False(v1alpha1.ConditionReady, stall.Reason, stall.Message),
			True(v1alpha1.ConditionStalled, stall.Reason, stall.Message),
		}
	case s.Hold != "":
		return []Verdict{False(v1alpha1.ConditionReady, s.Hold, s.HoldMessage)}
	case wait != nil:
		return busy(metav1.ConditionUnknown, wait.Reason, wait.Message)
	case s.Err != nil:
		return busy(metav1.ConditionFalse, v1alpha1.ReasonRetrying, s.Err.Error())
	case s.Busy != "":
		return busy(metav1.ConditionUnknown, s.Busy, s.BusyMessage)
	default:
		return []Verdict{True(v1alpha1.ConditionReady, s.Done, s.DoneMessage)}
	}
}

func busy(ready metav1.ConditionStatus, reason, message string) []Verdict {
	return []Verdict{
		{Type: v1alpha1.ConditionReady, Status: ready, Reason: reason, Message: message},
		True(v1alpha1.ConditionReconciling, reason, message),
	}
}

// Find returns the condition of a type, or nil.
func Find(list []metav1.Condition, kind string) *metav1.Condition {
	for i := range list {
		if list[i].Type == kind {
			return &list[i]
		}
	}
	return nil
}

// IsTrue says whether a condition is there and True.
func IsTrue(list []metav1.Condition, kind string) bool {
	c := Find(list, kind)
	return c != nil && c.Status == metav1.ConditionTrue
}

// Cut shortens a message to MaxMessage bytes without breaking a character.
func Cut(message string) string {
	if len(message) <= MaxMessage {
		return message
	}
	end := MaxMessage - len("…")
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}
