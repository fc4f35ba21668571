// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package condition

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/internal/outcome"
)

var (
	noon    = metav1.NewTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	morning = metav1.NewTime(noon.Add(-4 * time.Hour))
)

// lines are conditions without their bookkeeping, one in a line.
func lines(list []metav1.Condition) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(out, "\n")
}

// TestPrecedence gives everything at once and takes away the strongest, row by row.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	stall := &outcome.Stall{Reason: "NotOwned", Message: "taken"}
	wait := &outcome.Wait{Reason: "VersionNotReady", Message: "wait for it"}
	all := func(err error) Summary {
		return Summary{
			Err: err, Hold: "Paused", HoldMessage: "held", Busy: "Updating", BusyMessage: "1 of 2", Done: "Ready", DoneMessage: "done",
		}
	}
	without := func(s Summary, tweak func(*Summary)) Summary {
		tweak(&s)
		return s
	}
	noHold := func(s *Summary) { s.Hold = "" }
	for _, tc := range []struct {
		name string
		in   Summary
		want string
	}{
		{"a stall is stronger than all", all(stall), "Ready=False NotOwned: taken\nStalled=True NotOwned: taken"},
		{"a stall deep inside an error", all(fmt.Errorf("applying: %w", stall)), "Ready=False NotOwned: taken\nStalled=True NotOwned: taken"},
		{"a stall among other errors", all(errors.Join(errors.New("x"), wait, stall)), "Ready=False NotOwned: taken\nStalled=True NotOwned: taken"},
		{"held, although something waits", all(wait), "Ready=False Paused: held"},
		{"held, although something fails", all(errors.New("x")), "Ready=False Paused: held"},
		{"waiting", without(all(fmt.Errorf("loading: %w", wait)), noHold),
			"Ready=Unknown VersionNotReady: wait for it\nReconciling=True VersionNotReady: wait for it"},
		{"failing", without(all(errors.New("connection refused")), noHold),
			"Ready=False Retrying: connection refused\nReconciling=True Retrying: connection refused"},
		{"busy", without(all(nil), noHold), "Ready=Unknown Updating: 1 of 2\nReconciling=True Updating: 1 of 2"},
		{"done", without(all(nil), func(s *Summary) { s.Hold, s.Busy = "", "" }), "Ready=True Ready: done"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, lines(Summarize(nil, 1, noon, tc.in))); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadyComesFirst(t *testing.T) {
	t.Parallel()
	got := Summarize(nil, 1, noon, Summary{Done: "Ready", Verdicts: []Verdict{
		True("Applied", "Applied", "a"), False("Available", "TooFew", "b"), Unknown("Health", "NoData", "c"),
	}})
	want := "Ready=True Ready: \nApplied=True Applied: a\nAvailable=False TooFew: b\nHealth=Unknown NoData: c"
	if diff := cmp.Diff(want, lines(got)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

// TestTransitionTimes tables what keeps the time at which a condition last changed.
func TestTransitionTimes(t *testing.T) {
	t.Parallel()
	old := []metav1.Condition{
		{Type: "Ready", Status: "True", Reason: "Ready", LastTransitionTime: morning, ObservedGeneration: 1},
		{Type: "Applied", Status: "False", Reason: "WriteRefused", Message: "no", LastTransitionTime: morning, ObservedGeneration: 1},
	}
	for _, tc := range []struct {
		name    string
		verdict Verdict
		want    metav1.Time
	}{
		{"the same", False("Applied", "WriteRefused", "no"), morning},
		{"another message", False("Applied", "WriteRefused", "still no"), morning},
		{"another reason", False("Applied", "NotOwned", "no"), morning},
		{"another status", True("Applied", "Applied", "yes"), noon},
		{"a new one", True("Available", "MinimumMet", "yes"), noon},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Summarize(old, 2, noon, Summary{Done: "Ready", Verdicts: []Verdict{tc.verdict}})
			c := Find(got, tc.verdict.Type)
			if c == nil || !c.LastTransitionTime.Equal(&tc.want) || c.ObservedGeneration != 2 || c.Reason != tc.verdict.Reason || c.Message != tc.verdict.Message {
				t.Errorf("condition = %+v, want %+v since %s at generation 2", c, tc.verdict, tc.want)
			}
			if ready := Find(got, "Ready"); !ready.LastTransitionTime.Equal(&morning) {
				t.Errorf("Ready changed at %s, want %s", ready.LastTransitionTime, morning)
			}
		})
	}
}

// TestUnchangedPass proves that a pass that finds the same writes nothing.
func TestUnchangedPass(t *testing.T) {
	t.Parallel()
	for _, s := range []Summary{
		{Done: "Ready", DoneMessage: "done", Verdicts: []Verdict{True("Applied", "Applied", strings.Repeat("é", 2000))}},
		{Busy: "Updating", BusyMessage: "1 of 2"},
		{Err: &outcome.Stall{Reason: "NotOwned", Message: "taken"}},
	} {
		first := Summarize(nil, 1, morning, s)
		if diff := cmp.Diff(first, Summarize(first, 1, noon, s)); diff != "" {
			t.Errorf("a second pass differs (-first +second):\n%s", diff)
		}
	}
}

// TestGoneConditions proves that what is no longer said is removed, with Stalled and Reconciling among it.
func TestGoneConditions(t *testing.T) {
	t.Parallel()
	old := Summarize(nil, 1, morning, Summary{Err: &outcome.Stall{Reason: "NotOwned", Message: "taken"}, Verdicts: []Verdict{True("Applied", "Applied", "")}})
	got := Summarize(old, 1, noon, Summary{Done: "Ready", DoneMessage: "done"})
	if want := "Ready=True Ready: done"; lines(got) != want {
		t.Errorf("conditions = %q, want %q", lines(got), want)
	}
	if IsTrue(got, "Stalled") || !IsTrue(got, "Ready") || Find(got, "Applied") != nil {
		t.Error("IsTrue and Find disagree with the list")
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"short", "short", "short"},
		{"exactly as long as allowed", strings.Repeat("a", MaxMessage), strings.Repeat("a", MaxMessage)},
		{"one byte more", strings.Repeat("a", MaxMessage+1), strings.Repeat("a", MaxMessage-3) + "…"},
		{"a character of two bytes on the border", strings.Repeat("a", MaxMessage-4) + "éé" + strings.Repeat("a", 9), strings.Repeat("a", MaxMessage-4) + "…"},
		{"characters of four bytes", strings.Repeat("😀", 400), strings.Repeat("😀", 255) + "…"},
		{"a character just before the border", strings.Repeat("a", MaxMessage-5) + "é" + strings.Repeat("b", 9), strings.Repeat("a", MaxMessage-5) + "é…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Cut(tc.in)
			if got != tc.want {
				t.Errorf("Cut of %d bytes = %d bytes that end in %q, want %d that end in %q", len(tc.in), len(got), tail(got), len(tc.want), tail(tc.want))
			}
			if len(got) > MaxMessage || !utf8.ValidString(got) {
				t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
			}
		})
	}
}

func tail(s string) string { return s[max(0, len(s)-12):] }

// FuzzCut proves that a legal text stays legal and short, wherever it is cut.
func FuzzCut(f *testing.F) {
	f.Add(0, "é")
	f.Add(MaxMessage-3, "😀😀😀")
	f.Add(MaxMessage, "\xff")
	f.Fuzz(func(t *testing.T, lead int, text string) {
		in := strings.Repeat("a", max(0, lead%(2*MaxMessage))) + text
		got := Cut(in)
		if len(got) > MaxMessage {
			t.Errorf("%d bytes become %d", len(in), len(got))
		}
		if utf8.ValidString(in) && !utf8.ValidString(got) {
			t.Errorf("a legal text of %d bytes is cut inside a character", len(in))
		}
	})
}
