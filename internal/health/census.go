// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// census is one count of all instances.
type census struct {
	in     Input
	counts v1alpha1.InstanceCounts
	// findings has one entry for every instance that neither goes away nor has ended, ordered by name.
	findings []finding
	// ended are the instances that will not run again, ordered by name.
	ended []snapshot.Instance
	// whole is what shares are taken of: the instances there are, or should be if that is more.
	whole int
	// ready instances answer now; available ones have passed the health gate.
	ready, available int
	// refused is the first refusal to create instances; empty when there is none.
	refused string
}

func takeCensus(in Input) census {
	all := census{in: in}
	pods := slices.Clone(in.Now.Instances)
	slices.SortStableFunc(pods, func(a, b snapshot.Instance) int { return cmp.Compare(a.Name, b.Name) })
	for _, pod := range pods {
		switch {
		case pod.Failed:
			all.ended = append(all.ended, pod)
		case !pod.Terminating:
			f := diagnose(in, pod)
			all.findings = append(all.findings, f)
			tally(&all.counts, f.status)
			if pod.Ready {
				all.ready++
			}
		}
	}
	for _, name := range []string{snapshot.SlotA, snapshot.SlotB} {
		if s := in.Now.Slots[name]; !s.Deleting {
			all.available += int(max(0, s.Available))
			all.refused = cmp.Or(all.refused, s.Refused)
		}
	}
	all.whole = max(len(all.findings), int(in.Wanted.Desired))
	return all
}

// tally counts one instance.
func tally(counts *v1alpha1.InstanceCounts, s v1alpha1.HealthStatus) {
	field := &counts.Ok
	switch s {
	case v1alpha1.HealthInfo:
		field = &counts.Info
	case v1alpha1.HealthPending:
		field = &counts.Pending
	case v1alpha1.HealthNoData:
		field = &counts.NoData
	case v1alpha1.HealthWarning:
		field = &counts.Warning
	case v1alpha1.HealthDegraded:
		field = &counts.Degraded
	case v1alpha1.HealthSevere:
		field = &counts.Severe
	}
	*field = min(*field+1, maxCount)
	counts.Total = min(counts.Total+1, maxCount)
}

// count fits a number into the schema.
func count(n int) int32 { return int32(max(0, min(n, maxCount))) }

// countFailing counts the instances that do not serve and should.
func countFailing(findings []finding) int {
	n := 0
	for _, f := range findings {
		if rank(f.status) > rank(v1alpha1.HealthWarning) || f.status == v1alpha1.HealthNoData {
			n++
		}
	}
	return n
}

// severity is what these instances together do to the environment. Failing ones count by their share; so do those that are
// only conspicuous, but never for more than a Warning, and wrong versions, which do serve, for no more than Degraded. While
// launching, a failure is at least Degraded, because nothing works yet that could make up for it.
func (c census) severity(findings []finding) v1alpha1.HealthStatus {
	uneasy, wrong, unready := 0, 0, false
	for _, f := range findings {
		switch {
		case f.code == CauseWrongVersion:
			wrong++
		case f.status == v1alpha1.HealthWarning:
			uneasy++
		case f.status == v1alpha1.HealthInfo || f.status == v1alpha1.HealthPending:
			unready = true
		}
	}
	failing := countFailing(findings)
	out := share(failing-wrong, c.whole)
	out = worse(out, milder(v1alpha1.HealthDegraded, share(failing, c.whole)))
	out = worse(out, milder(v1alpha1.HealthWarning, share(failing+uneasy, c.whole)))
	switch {
	case failing > 0 && c.in.Wanted.Launching:
		out = worse(out, v1alpha1.HealthDegraded)
	case unready && c.in.Wanted.Launching:
		out = worse(out, v1alpha1.HealthPending)
	case unready:
		out = worse(out, v1alpha1.HealthInfo)
	}
	return out
}
