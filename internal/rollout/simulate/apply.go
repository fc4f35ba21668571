// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// keptRevisions is how many pod templates are kept.
const keptRevisions = 10

// apply writes what a step says, as internal/apply does: all writes at once, and then the deletions, if every write was made. It
// says whether it came to its end: not when the operator died, which leaves any of the writes undone, and not when something that is
// wanted is still going away.
func (p *play) apply(step plan.Step) bool {
	for _, s := range step.Slots {
		if d := p.slots[s.Name]; d != nil && d.deleting {
			return false
		}
	}
	made := true
	for _, write := range []func(plan.Step) bool{
		p.applySlots, p.applyRevisions, p.applyRelease, p.applyService, p.applyRoute, p.applyScaler,
	} {
		made = write(step) && made
	}
	return made && p.prune(step)
}

// write counts a request, and says whether the operator lived to make it.
func (p *play) write() bool {
	p.writes++
	return p.Dies == nil || !p.Dies(p.writes)
}

func (p *play) applySlots(step plan.Step) bool {
	made := true
	for _, s := range step.Slots {
		d, exists := p.slots[s.Name]
		if !exists {
			d = &deployment{}
			d.Spec.Replicas = p.Instances
		}
		record, spec := recorded(s), d.Spec
		spec.Revision, spec.Strategy = s.Revision, s.Strategy
		switch {
		case s.Replicas != nil:
			spec.Replicas = *s.Replicas
		case p.Scaler == nil:
			spec.Replicas = p.Instances
		}
		if exists && d.record == record && d.Spec == spec {
			continue
		}
		if !p.write() {
			made = false
			continue
		}
		p.wroteSlot(step, s, exists)
		if d.Spec != spec {
			d.Generation++
		}
		d.record, d.Spec = record, spec
		p.versions[s.Revision] = s.Version
		p.slots[s.Name] = d
	}
	return made
}

// recorded is a slot's record as annotations keep it.
func recorded(s plan.Slot) snapshot.Slot {
	r := s.Rollout
	return snapshot.Slot{
		Name: s.Name, Content: s.Content, RolloutID: r.ID, RolloutType: string(r.Type), Policy: string(r.Policy), Batch: r.Batch,
		StartedAt: r.StartedAt, Instances: r.Instances, StageAt: r.StageAt, Ignored: r.Ignored, Abort: r.Abort, Good: s.Good, Failed: s.Failed,
	}
}

// applyRevisions keeps the pod template of every slot that runs what is wanted: only that one can be made from the settings.
func (p *play) applyRevisions(step plan.Step) bool {
	made := true
	for _, s := range step.Slots {
		if _, kept := p.revisions[s.Template]; kept || s.Revision != p.target().Revision {
			continue
		}
		if !p.write() {
			made = false
			continue
		}
		p.keep(s.Content, s.Rollout.ID)
	}
	used := map[string]bool{}
	for _, s := range step.Slots {
		used[s.Template], used[s.Good] = true, true
	}
	all := slices.SortedFunc(maps.Values(p.revisions), func(a, b snapshot.Revision) int { return cmp.Compare(b.Number, a.Number) })
	for _, r := range all[min(keptRevisions, len(all)):] {
		if !used[r.Revision] {
			delete(p.revisions, r.Revision)
		}
	}
	return made
}

func (p *play) keep(c snapshot.Content, number int64) {
	p.revisions[c.Revision] = snapshot.Revision{Name: c.Revision, Content: c, Number: number}
}

func (p *play) applyRelease(step plan.Step) bool {
	r := step.Release
	if r == nil || slices.ContainsFunc(p.releases, func(e *release) bool { return e.ID == r.ID }) {
		return true
	}
	if !p.write() {
		return false
	}
	p.wroteRelease(r.ID)
	p.releases = append(p.releases, &release{
		Release: snapshot.Release{
			ID: r.ID, Change: step.Target.Change, Version: step.Target.Version, RolloutType: string(r.Type), Policy: string(r.Policy),
			Abort: r.Abort, StartedAt: r.StartedAt,
		},
		ends: p.at.Add(time.Duration(p.Release.Seconds) * time.Second), fails: p.Release.Fails != nil && p.Release.Fails(step.Target.Version),
	})
	return true
}

func (p *play) applyService(step plan.Step) bool {
	t := plan.Traffic{Slot: step.Traffic.Slot, ServiceSince: step.Traffic.ServiceSince}
	if !step.Traffic.Exact {
		t.Other = step.Traffic.Other
	}
	if p.Worker || (p.service.exists && p.service.traffic == t) {
		return true
	}
	if !p.write() {
		return false
	}
	p.service = service{exists: true, traffic: t}
	p.wroteTraffic(step)
	return true
}

func (p *play) applyRoute(step plan.Step) bool {
	var r route
	if step.Traffic.Exact && step.Traffic.Other != "" {
		r = route{weight: step.Traffic.Percent, since: step.Traffic.RouteSince}
	}
	if p.Worker || p.route == r {
		return true
	}
	if !p.write() {
		return false
	}
	p.route = r
	p.wroteTraffic(step)
	return true
}

func (p *play) applyScaler(step plan.Step) bool {
	if p.scaler == nil {
		return true
	}
	least, most := p.Scaler.Min, p.Scaler.Max
	if step.Scaler.Hold > 0 {
		least, most = step.Scaler.Hold, step.Scaler.Hold
	}
	s := p.scaler
	if s.Target == step.Scaler.Slot && s.Min == least && s.Max == most {
		return true
	}
	if !p.write() {
		return false
	}
	s.Target, s.Min, s.Max = step.Scaler.Slot, least, most
	return true
}

// prune deletes what is not listed.
func (p *play) prune(step plan.Step) bool {
	made := true
	for _, name := range slices.Sorted(maps.Keys(p.slots)) {
		d := p.slots[name]
		if d.deleting || slices.ContainsFunc(step.Slots, func(s plan.Slot) bool { return s.Name == name }) {
			continue
		}
		if !p.write() {
			made = false
			continue
		}
		p.removed(step, name)
		d.deleting = true
	}
	for _, r := range p.releases {
		if r.Deleting || r.ID == step.Rollout.ID || (step.Release != nil && step.Release.ID == r.ID) {
			continue
		}
		if !p.write() {
			made = false
			continue
		}
		r.Deleting = true
	}
	return made
}
