// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/beanstalk"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// maxArtifacts is the longest list of them in status.
const maxArtifacts = 20

// makeRoom adds an entry for every platform version that is asked for. The oldest that nobody asks for any more give way.
func makeRoom(ver *v1alpha1.ApplicationVersion, asked []v1alpha1.PlatformStatusSummary) {
	list := slices.Clone(ver.Status.Artifacts)
	for _, p := range asked {
		if settings.ArtifactOf(ver, p.Name, p.Branch, p.Version) == nil {
			list = append(list, v1alpha1.Artifact{Platform: p.Name, Branch: p.Branch, Version: p.Version})
		}
	}
	for len(list) > maxArtifacts {
		i := slices.IndexFunc(list, func(a v1alpha1.Artifact) bool { return !isAsked(asked, a) })
		list = slices.Delete(list, i, i+1)
	}
	ver.Status.Artifacts = list
}

func isAsked(asked []v1alpha1.PlatformStatusSummary, a v1alpha1.Artifact) bool {
	return slices.ContainsFunc(asked, func(p v1alpha1.PlatformStatusSummary) bool {
		return a.Platform == p.Name && a.Branch == p.Branch && a.Version == p.Version
	})
}

// describe fills status.bundle from what the steps of an attempt reported. An early step knows less than a later one, also of another
// attempt.
func describe(ver *v1alpha1.ApplicationVersion, a *attempt) {
	for _, step := range []string{buildjob.Fetch, buildjob.Build, buildjob.Push} {
		r, ok := a.told(step)
		if ok && r.Bundle != nil && (ver.Status.Bundle == nil || ver.Status.Bundle.SHA256 != r.Bundle.SHA256) {
			ver.Status.Bundle = &v1alpha1.FetchedBundle{SHA256: r.Bundle.SHA256, SizeBytes: r.Bundle.SizeBytes}
		}
		b := ver.Status.Bundle
		if !ok || b == nil {
			continue
		}
		if r.Bundle != nil && r.Bundle.Files > 0 {
			b.Files = int32(min(r.Bundle.Files, 10_000_000))
		}
		b.Warnings = longer(bounded(warnings(r), 20), b.Warnings)
		b.Unsupported = longer(bounded(withoutEffect(r), 50), b.Unsupported)
		if options := withEffect(r); len(options) > len(b.Options) {
			b.Options = options
		}
	}
}

func warnings(r report.Report) []string {
	if !r.Cut {
		return r.Warnings
	}
	return append([]string{"The build had more to report than fits: some warnings, or option settings of .ebextensions, may be missing here and without effect. " +
		"Set what is missing in the Environment's spec."}, r.Warnings...)
}

// withoutEffect is what the bundle's own files ask for in vain: what the build says so of, and option settings that mean nothing here.
func withoutEffect(r report.Report) []string {
	out := slices.Clone(r.Unsupported)
	for _, o := range settingsOf(r) {
		if why := beanstalk.Ignored(o); why != "" {
			out = append(out, "option "+o.Namespace+": "+o.Name+" "+why)
		}
	}
	return append(out, beanstalk.Incomplete(settingsOf(r))...)
}

// withEffect are the option settings that environments take over, inside the schema's bounds.
func withEffect(r report.Report) []v1alpha1.OptionSetting {
	out := slices.DeleteFunc(settingsOf(r), func(o v1alpha1.OptionSetting) bool {
		return beanstalk.Ignored(o) != "" || len(o.Value) > 4096
	})
	return out[:min(len(out), 100)]
}

func settingsOf(r report.Report) []v1alpha1.OptionSetting {
	var out []v1alpha1.OptionSetting
	for _, o := range r.Options {
		out = append(out, v1alpha1.OptionSetting{Namespace: o.Namespace, Name: o.Name, Value: o.Value})
	}
	return out
}

func longer(a, b []string) []string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// bounded keeps a list and its texts inside the schema's bounds.
func bounded(list []string, most int) []string {
	var out []string
	for _, text := range list[:min(len(list), most)] {
		out = append(out, strings.ToValidUTF8(text[:min(len(text), 512)], ""))
	}
	return out
}
