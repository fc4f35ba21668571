// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

// newest is the slot with the newest rollout, and the set of its revision; nil when there is none.
func (p *play) newest() (*deployment, *toy.Set) {
	var newest *deployment
	for _, d := range p.existing() {
		if newest == nil || d.record.RolloutID > newest.record.RolloutID ||
			(d.record.RolloutID == newest.record.RolloutID && d.record.Failed.Change != "") {
			newest = d
		}
	}
	if newest == nil {
		return nil, nil
	}
	return newest, newest.Find(newest.Spec.Revision)
}

// judged is what health says of the newest rollout's instances.
func (p *play) judged() plan.Judgement {
	d, set := p.newest()
	if d == nil || set == nil || len(set.Instances) == 0 {
		return plan.Judgement{}
	}
	t := p.Troubles[d.record.Version]
	j := plan.Judgement{Status: v1alpha1.HealthOk}
	if p.ill(d.record.Name, t) {
		j.Status = t.Status
	}
	if since, ok := p.made[set.Revision]; ok && t.Crash > 0 && !p.at.Before(since.Add(t.Crash)) {
		j.Crash = "an instance of " + d.record.Version + " crashes again and again: exit code 1"
	}
	return j
}

func (p *play) ill(slot string, t Trouble) bool {
	since, served := p.requests[slot]
	if !served || t.Ill == 0 || p.at.Before(since.Add(t.Ill)) {
		return false
	}
	return t.Well == 0 || p.at.Before(since.Add(t.Ill+t.Well))
}

// fall makes instances crash that do so now, and says whether any did.
func (p *play) fall() bool {
	fell := false
	for _, d := range p.slots {
		for _, set := range d.Sets {
			t := p.Troubles[p.versions[set.Revision]]
			since, ok := p.made[set.Revision]
			if !ok || t.Crash == 0 || p.at.Before(since.Add(t.Crash)) {
				continue
			}
			for _, i := range set.Instances {
				if i.Ready.Before(toy.Never) {
					i.Ready, fell = toy.Never, true
					p.lose(i, p.at)
				}
			}
		}
	}
	return fell
}

// trouble is when the next one begins or ends.
func (p *play) trouble() time.Time {
	next := toy.Never
	soon := func(at time.Time) {
		if at.After(p.at) {
			next = plan.Earliest(next, at)
		}
	}
	for name, d := range p.slots {
		t := p.Troubles[d.record.Version]
		if since, served := p.requests[name]; served && t.Ill > 0 {
			soon(since.Add(t.Ill))
			soon(since.Add(t.Ill + t.Well))
		}
		for _, set := range d.Sets {
			if t := p.Troubles[p.versions[set.Revision]]; t.Crash > 0 && len(set.Instances) > 0 {
				if since, ok := p.made[set.Revision]; ok {
					soon(since.Add(t.Crash))
				}
			}
		}
	}
	return next
}
