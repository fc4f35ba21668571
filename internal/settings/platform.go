// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/updates"
)

// Platform is the platform version that an Environment is to run on.
type Platform struct {
	// Name of the Platform, Branch and Version.
	Name, Branch, Version string
	// State of the branch; RetireOn is the day of its end, if one is known.
	State    v1alpha1.PlatformBranchState
	RetireOn string
	// RunImage of the version.
	RunImage string
	// Port and Properties are the branch's, the weakest of all layers.
	Port       int32
	Properties []v1alpha1.PlatformProperty
	// Recommended is the version that a new Environment would get.
	Recommended string
	// Update is what was decided about updates; without a version while nothing runs.
	Update updates.Decision
}

// Runs is the platform version that the newest deployment of an Environment was made for; the zero value is none.
type Runs struct {
	// Key is Platform.Key, Image the run image.
	Key, Image string
	// Stamp, Request and Since; see updates.Running.
	Stamp, Request string
	Since          time.Time
	// Busy is true while a deployment is under way, and when one failed that somebody must correct. Updates wait for its end.
	Busy bool
}

// Ask is what is asked of OnPlatform besides the Platform.
type Ask struct {
	// Managed and Request; see updates.Want.
	Managed *v1alpha1.ManagedUpdates
	Request string
	// At is now.
	At time.Time
	// Usable says whether the wanted ApplicationVersion is built for a version of the branch; nil: for none.
	Usable func(version string) bool
}

func (a Ask) usable(version string) bool { return a.Usable != nil && a.Usable(version) }

// Key names a platform version in one word: platform/branch/version. It is empty for none.
func (p Platform) Key() string {
	if p.Name == "" {
		return ""
	}
	return PlatformKey(p.Name, p.Branch, p.Version)
}

// PlatformKey is Platform.Key of names. None of them may hold a slash.
func PlatformKey(platform, branch, version string) string {
	return platform + "/" + branch + "/" + version
}

// BranchOf finds the branch that an Environment means: the one that it names; else the one that it runs on, which it never leaves by
// itself; else the first that is supported, else the first that takes new environments.
func BranchOf(p *v1alpha1.Platform, named string, runs Runs) *v1alpha1.PlatformBranch {
	list := p.Spec.Branches
	find := func(fits func(v1alpha1.PlatformBranch) bool) *v1alpha1.PlatformBranch {
		if i := slices.IndexFunc(list, fits); i >= 0 {
			return &list[i]
		}
		return nil
	}
	if named != "" {
		return find(func(b v1alpha1.PlatformBranch) bool { return b.Name == named })
	}
	if b := find(func(b v1alpha1.PlatformBranch) bool { return runs.On(p.Name, b.Name) }); b != nil {
		return b
	}
	supported := func(b v1alpha1.PlatformBranch) bool {
		return b.State == v1alpha1.PlatformSupported || b.State == ""
	}
	if b := find(supported); b != nil {
		return b
	}
	return find(func(b v1alpha1.PlatformBranch) bool { return b.State != v1alpha1.PlatformRetired })
}

// On says whether what runs is of that branch.
func (r Runs) On(platform, branch string) bool {
	return strings.HasPrefix(r.Key, platform+"/"+branch+"/")
}

// OnPlatform chooses the version of a branch. What runs stays on its version until an update is due, whatever is recommended
// meanwhile, and on its image when the Platform lists the version no more and it can still be deployed.
func OnPlatform(p *v1alpha1.Platform, b *v1alpha1.PlatformBranch, runs Runs, ask Ask) Platform {
	out := Platform{
		Name: p.Name, Branch: b.Name, State: b.State, RetireOn: b.RetireOn, Port: or(b.Port, defaultPort), Properties: b.EnvironmentProperties,
	}
	if len(b.Versions) > 0 {
		out.Recommended = b.Versions[0].Version
		out.Version, out.RunImage = b.Versions[0].Version, b.Versions[0].RunImage
	}
	out.Update.Request = cmp.Or(ask.Request, runs.Request)
	if !runs.On(p.Name, b.Name) {
		return out
	}
	pinned := strings.TrimPrefix(runs.Key, PlatformKey(p.Name, b.Name, ""))
	i := slices.IndexFunc(b.Versions, func(v v1alpha1.PlatformVersion) bool { return v.Version == pinned })
	switch {
	case i >= 0:
		out.Version, out.RunImage = pinned, b.Versions[i].RunImage
	case runs.Image != "" && ask.usable(pinned):
		out.Version, out.RunImage = pinned, runs.Image
	default:
		return out
	}
	out.update(b, runs, ask)
	return out
}

// busyAgain is when an update that waits for a deployment looks again: what ends it may wake nobody.
const busyAgain = time.Minute

// update moves what runs to another version of its branch when that is due. It waits for other deployments, so that each changes one
// thing, and for the build, so that an instance is never without its application.
func (p *Platform) update(b *v1alpha1.PlatformBranch, runs Runs, ask Ask) {
	want := updates.Want{
		Managed: ask.Managed, Retired: b.State == v1alpha1.PlatformRetired, Request: ask.Request, At: ask.At,
		Running: updates.Running{Version: p.Version, Stamp: runs.Stamp, Request: runs.Request, Since: runs.Since},
	}
	for _, v := range b.Versions {
		want.Versions = append(want.Versions, v.Version)
	}
	// A window that makes no sense changes nothing here; Resolve reports it.
	d, _ := updates.Decide(want)
	due := d.Version != p.Version || d.Stamp != runs.Stamp
	switch {
	case due && runs.Busy:
		text := "An update is due and waits for the end of the present deployment."
		d = waiting(d, updates.Decision{Version: p.Version, Stamp: runs.Stamp, Request: runs.Request, Wake: ask.At.Add(busyAgain)}, text)
	case due && !ask.usable(d.Version):
		text := fmt.Sprintf("Platform version %s is due and waits until the version is built for it; %s keeps running.", d.Version, p.Version)
		want.Request = ""
		want.Versions = slices.DeleteFunc(want.Versions, func(v string) bool { return !ask.usable(v) })
		built, _ := updates.Decide(want)
		d = waiting(d, built, text)
	}
	p.Update = d
	if i := slices.IndexFunc(b.Versions, func(v v1alpha1.PlatformVersion) bool { return v.Version == d.Version }); i >= 0 {
		p.Version, p.RunImage = d.Version, b.Versions[i].RunImage
	}
}

// waiting is what is done while the update that is due waits.
func waiting(due, meanwhile updates.Decision, text string) updates.Decision {
	meanwhile.Available, meanwhile.Reason, meanwhile.Message = due.Available, v1alpha1.ReasonUpdateWaits, text
	return meanwhile
}

// ArtifactOf finds what a version became on a platform version; nil when nothing is known of it.
func ArtifactOf(v *v1alpha1.ApplicationVersion, platform, branch, version string) *v1alpha1.Artifact {
	for i := range v.Status.Artifacts {
		if a := &v.Status.Artifacts[i]; a.Platform == platform && a.Branch == branch && a.Version == version {
			return a
		}
	}
	return nil
}

// withPlatform adds the platform's properties below the Environment's own.
func withPlatform(own []v1alpha1.EnvironmentProperty, p *Platform) []v1alpha1.EnvironmentProperty {
	if p == nil {
		return own
	}
	out := slices.Clone(own)
	for _, prop := range p.Properties {
		if !slices.ContainsFunc(own, func(o v1alpha1.EnvironmentProperty) bool { return o.Name == prop.Name }) {
			out = append(out, v1alpha1.EnvironmentProperty{Name: prop.Name, Value: &prop.Value})
		}
	}
	return properties(out)
}

// Deprecation warns of a branch that is going to be retired; empty when there is nothing to say.
func (p Platform) Deprecation() string {
	var when string
	if p.RetireOn != "" {
		when = " on " + p.RetireOn
	}
	switch p.State {
	case v1alpha1.PlatformDeprecated:
		return fmt.Sprintf("branch %q of Platform %q is deprecated and is retired%s; move to another with spec.platformRef.branch", p.Branch, p.Name, when)
	case v1alpha1.PlatformRetired:
		return fmt.Sprintf("branch %q of Platform %q is retired and gets no updates; what runs keeps running; move to another with spec.platformRef.branch", p.Branch, p.Name)
	default:
		return ""
	}
}
