// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

const (
	// firstPatience is how long the first probe of an address may be under way before somebody should know what keeps it.
	firstPatience = deadlineSeconds * time.Second
	// missed is how many probes may fail to come to an end before nothing is known any more.
	missed = 3
	// longest is how much of what a pod says is repeated, in bytes.
	longest = 500
)

// Seen is what is known of the probes of a claim.
type Seen struct {
	Order
	// Host and Port are probed.
	Host string
	Port int32
	// External says that the address and the credentials are what the claim's spec says.
	External bool
	// Pods are those of the claim's probes, in any order; those of another version of the Secret count nothing.
	Pods []*corev1.Pod
	// Was is the condition before; nil: there was none.
	Was *metav1.Condition
	// New says that this version of the Secret is seen for the first time.
	New bool
	// Alive is when there was a sign of life from the CronJob: it was made, or a probe succeeded.
	Alive time.Time
}

// Verdict is the condition Reachable, without its bookkeeping.
type Verdict struct {
	Status          metav1.ConditionStatus
	Reason, Message string
	// Next is when it must be judged again although nothing happens.
	Next time.Time
}

// result is what one pod says.
type result struct {
	at     time.Time
	ok     bool
	reason report.Reason
	text   string
}

// Judge says whether the database is reachable. One that was reached is unreachable after two failures in a row; one that never was, with
// this address and these credentials, after the first. Where there is no result, what was known stays, for a while.
func Judge(s Seen, now time.Time) Verdict {
	results, base := s.results(), s.Alive
	if len(results) > 0 && results[0].at.After(base) {
		base = results[0].at
	}
	known := !s.New && s.Was != nil && s.Was.Status != metav1.ConditionUnknown
	patience := missed*time.Duration(s.Minutes)*time.Minute + deadlineSeconds*time.Second
	if len(results) == 0 && !known {
		return s.first(base, now)
	}
	if !now.Before(base.Add(patience)) {
		return s.stuck()
	}
	v := Verdict{Next: base.Add(patience)}
	success := slices.IndexFunc(results, func(r result) bool { return r.ok })
	reached := success >= 0 || known && s.Was.Status == metav1.ConditionTrue
	switch {
	case success == 0 || success == 1:
		v.Status, v.Reason, v.Message = metav1.ConditionTrue, v1alpha1.ReasonReachable, results[success].text
	case len(results) == 0 || len(results) == 1 && reached:
		v.Status, v.Reason, v.Message = s.Was.Status, s.Was.Reason, s.Was.Message
	default:
		v.Status, v.Reason, v.Message = metav1.ConditionFalse, string(results[0].reason), results[0].text+" "+s.advice(results[0].reason)
	}
	return v
}

// first waits for the first probe of an address.
func (s Seen) first(base, now time.Time) Verdict {
	for _, p := range s.Pods {
		if s.of(p) && p.CreationTimestamp.After(base) {
			base = p.CreationTimestamp.Time
		}
	}
	if s.New {
		base = now
	}
	if !now.Before(base.Add(firstPatience)) {
		return s.stuck()
	}
	return Verdict{
		Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProbing, Next: base.Add(firstPatience),
		Message: fmt.Sprintf("The first probe of %s with Secret %s is under way.", s.address(), s.Secret),
	}
}

// stuck says that nothing is known, and why.
func (s Seen) stuck() Verdict {
	return Verdict{
		Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProbeCouldNotRun,
		Message: fmt.Sprintf("Nothing is known of %s, because no probe came to an end: %s. See `kubectl -n %s describe cronjob %s` and `kubectl -n %s describe pods -l %s=%s`.",
			s.address(), s.hindrance(), s.Namespace, Ref(s.Claim).Name, s.Namespace, v1alpha1.LabelDatabaseProbe, s.Claim),
	}
}

// hindrance is what the newest pod says that has no result, in words that stay the same as long as the trouble does.
func (s Seen) hindrance() string {
	var newest *corev1.Pod
	for _, p := range s.Pods {
		if newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp) {
			newest = p
		}
	}
	if newest == nil {
		return "there is no pod"
	}
	for _, c := range newest.Status.ContainerStatuses {
		switch w, t := c.State.Waiting, c.State.Terminated; {
		case w != nil && (w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff"):
			return "the image " + newest.Spec.Containers[0].Image + " cannot be pulled"
		case w != nil && w.Reason != "":
			return "its pod waits (" + w.Reason + ")"
		case t != nil:
			if r, err := report.Decode([]byte(t.Message)); err == nil && r.Error != "" {
				return strings.TrimSuffix(clip(r.Error), ".")
			}
			return fmt.Sprintf("its pod ended with exit code %d (%s)", t.ExitCode, t.Reason)
		}
	}
	for _, c := range newest.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "its pod has no node"
		}
	}
	return "its pod does not start"
}

func (s Seen) of(p *corev1.Pod) bool { return p.Annotations[v1alpha1.AnnotationProbeOf] == s.Version }

// results are those of the present version of the Secret, the newest first. A pod that says nothing about the database is none.
func (s Seen) results() []result {
	var out []result
	for _, p := range s.Pods {
		if !s.of(p) {
			continue
		}
		for _, c := range p.Status.ContainerStatuses {
			if r, ok := said(c); ok {
				out = append(out, r)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b result) int { return b.at.Compare(a.at) })
	return out
}

func said(c corev1.ContainerStatus) (result, bool) {
	t := c.State.Terminated
	if c.Name != Container || t == nil {
		return result{}, false
	}
	r, err := report.Decode([]byte(t.Message))
	switch {
	case err != nil:
		return result{}, false
	case r.Probe != nil && r.Error == "":
		return result{at: t.FinishedAt.Time, ok: true, text: clip(r.Probe.Text)}, true
	default:
		return result{at: t.FinishedAt.Time, reason: r.Reason, text: clip(r.Error)}, advice[r.Reason] != [2]string{}
	}
}

// clip makes one line of a text, not too long.
func clip(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
