// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/updates"
)

func python() *v1alpha1.Platform {
	p := &v1alpha1.Platform{}
	p.Name = "python"
	version := func(v string) v1alpha1.PlatformVersion {
		return v1alpha1.PlatformVersion{Version: v, RunImage: "python:" + v}
	}
	p.Spec.Branches = []v1alpha1.PlatformBranch{
		{Name: "4", State: v1alpha1.PlatformBeta, Versions: []v1alpha1.PlatformVersion{version("4.0.0")}},
		{Name: "3.1", State: v1alpha1.PlatformSupported, Versions: []v1alpha1.PlatformVersion{version("3.1.9"), version("3.1.8")}},
		{Name: "3.12", State: v1alpha1.PlatformSupported, Versions: []v1alpha1.PlatformVersion{version("3.12.0")}},
		{Name: "2", State: v1alpha1.PlatformRetired, Versions: []v1alpha1.PlatformVersion{version("2.0.0")}},
	}
	return p
}

func TestBranchAndVersion(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, branch string
		runs         Runs
		usable       bool
		// want is the Key and the image, empty for no branch.
		want, image string
		tweak       func(*v1alpha1.Platform)
	}{
		{name: "the first supported branch, its first version", want: "python/3.1/3.1.9", image: "python:3.1.9"},
		{name: "a named branch", branch: "4", want: "python/4/4.0.0", image: "python:4.0.0"},
		{name: "an unknown branch", branch: "5"},
		{name: "a retired one by name", branch: "2", want: "python/2/2.0.0", image: "python:2.0.0"},
		{name: "what runs stays", runs: Runs{Key: "python/3.1/3.1.8"}, want: "python/3.1/3.1.8", image: "python:3.1.8"},
		{name: "and stays on its branch", runs: Runs{Key: "python/3.12/3.12.0"}, want: "python/3.12/3.12.0", image: "python:3.12.0"},
		{name: "a branch is no prefix of another", branch: "3.1", runs: Runs{Key: "python/3.12/3.12.0"}, want: "python/3.1/3.1.9", image: "python:3.1.9"},
		{name: "another platform does not count", runs: Runs{Key: "ruby/3.12/3.12.0"}, want: "python/3.1/3.1.9", image: "python:3.1.9"},
		{name: "another branch by name leaves", branch: "4", runs: Runs{Key: "python/3.1/3.1.8"}, want: "python/4/4.0.0", image: "python:4.0.0"},
		{name: "a version that is listed no more, built", runs: Runs{Key: "python/3.1/3.1.1", Image: "old"}, usable: true, want: "python/3.1/3.1.1", image: "old"},
		{name: "the same, not built", runs: Runs{Key: "python/3.1/3.1.1", Image: "old"}, want: "python/3.1/3.1.9", image: "python:3.1.9"},
		{name: "no supported branch", want: "python/4/4.0.0", image: "python:4.0.0", tweak: func(p *v1alpha1.Platform) {
			p.Spec.Branches[1].State, p.Spec.Branches[2].State = v1alpha1.PlatformRetired, v1alpha1.PlatformRetired
		}},
		{name: "only retired branches", tweak: func(p *v1alpha1.Platform) { p.Spec.Branches = p.Spec.Branches[3:] }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := python()
			if tc.tweak != nil {
				tc.tweak(p)
			}
			b := BranchOf(p, tc.branch, tc.runs)
			if b == nil {
				if tc.want != "" {
					t.Fatalf("no branch, want %s", tc.want)
				}
				return
			}
			got := OnPlatform(p, b, tc.runs, Ask{Usable: func(string) bool { return tc.usable }})
			if got.Key() != tc.want || got.RunImage != tc.image {
				t.Errorf("runs on %s with %s, want %s with %s", got.Key(), got.RunImage, tc.want, tc.image)
			}
		})
	}
}

// TestUpdates tables when what runs moves to another version of its branch.
func TestUpdates(t *testing.T) {
	t.Parallel()
	open := time.Date(2026, 11, 29, 3, 10, 0, 0, time.UTC) // a Sunday
	shut, next := open.Add(12*time.Hour), time.Date(2026, 12, 6, 3, 0, 0, 0, time.UTC)
	const stamp, old, fresh = "2026-11-29T03:00:00Z", "python/3.1/3.1.8", "python/3.1/3.1.9"
	managed := &v1alpha1.ManagedUpdates{Enabled: true, Window: &v1alpha1.MaintenanceWindow{Day: "Sun", Start: "03:00"}}
	refreshed := managed.DeepCopy()
	refreshed.InstanceRefresh = ptr.To(true)
	all := func(string) bool { return true }
	for _, tc := range []struct {
		name        string
		runs        Runs
		ask         Ask
		want, image string
		stamp       string
		request     string
		available   string
		reason      string
		wake        time.Time
	}{
		{"nobody asks", Runs{}, Ask{At: open, Usable: all}, old, "python:3.1.8", "", "", "3.1.9", "UpdateAvailable", time.Time{}},
		{"outside the window", Runs{}, Ask{Managed: managed, At: shut, Usable: all}, old, "python:3.1.8", "", "", "3.1.9", "UpdateScheduled", next},
		{"inside the window", Runs{}, Ask{Managed: managed, At: open, Usable: all}, fresh, "python:3.1.9", stamp, "", "3.1.9", "UpdateScheduled", next},
		{"not built yet", Runs{}, Ask{Managed: managed, At: open}, old, "python:3.1.8", "", "", "3.1.9", "UpdateWaits", next},
		{"not built, but instances are replaced", Runs{}, Ask{Managed: refreshed, At: open, Usable: func(v string) bool { return v == "3.1.8" }}, old, "python:3.1.8", stamp, "", "3.1.9", "UpdateWaits", next},
		{"during another deployment", Runs{Busy: true}, Ask{Managed: managed, At: open, Usable: all}, old, "python:3.1.8", "", "", "3.1.9", "UpdateWaits", open.Add(time.Minute)},
		{"the stamp stays", Runs{Key: fresh, Stamp: stamp}, Ask{Managed: managed, At: shut, Usable: all}, fresh, "python:3.1.9", stamp, "", "", "UpToDate", next},
		{"on request", Runs{}, Ask{Request: "x", At: shut, Usable: all}, fresh, "python:3.1.9", "x", "x", "3.1.9", "UpdateAvailable", time.Time{}},
		{"a request waits for the build", Runs{Request: "w"}, Ask{Request: "x", At: shut}, old, "python:3.1.8", "", "w", "3.1.9", "UpdateWaits", time.Time{}},
		{"a request waits for another deployment", Runs{Busy: true}, Ask{Request: "x", At: shut, Usable: all}, old, "python:3.1.8", "", "", "3.1.9", "UpdateWaits", shut.Add(time.Minute)},
		{"a request counts once", Runs{Request: "x"}, Ask{Request: "x", At: shut, Usable: all}, old, "python:3.1.8", "", "x", "3.1.9", "UpdateAvailable", time.Time{}},
		{"another branch is something new", Runs{Key: "python/3.12/3.12.0", Stamp: stamp}, Ask{Managed: managed, Request: "x", At: open, Usable: all}, fresh, "python:3.1.9", "", "x", "", "", time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := python()
			runs := tc.runs
			if runs.Key == "" {
				runs.Key = old
			}
			b := BranchOf(p, "3.1", runs)
			got := OnPlatform(p, b, runs, tc.ask)
			u := got.Update
			if got.Key() != tc.want || got.RunImage != tc.image || u.Stamp != tc.stamp || u.Request != tc.request {
				t.Errorf("runs on %s with %s, stamp %q, request %q", got.Key(), got.RunImage, u.Stamp, u.Request)
			}
			if u.Available != tc.available || u.Reason != tc.reason || !u.Wake.Equal(tc.wake) {
				t.Errorf("available %q, %s: %s, wake %s", u.Available, u.Reason, u.Message, u.Wake)
			}
		})
	}
}

// TestStampIsHashed proves that an update is another change only by its stamp.
func TestStampIsHashed(t *testing.T) {
	t.Parallel()
	make := func(stamp, request string) Settings {
		s, _ := Resolve(bundled(func(l *Layers) { l.Platform.Update = updates.Decision{Stamp: stamp, Request: request} }))
		return s
	}
	plain, stamped, asked := make("", ""), make("s", ""), make("", "r")
	if plain.Change == stamped.Change || plain.Revision == stamped.Revision || plain.Configuration != stamped.Configuration {
		t.Error("a stamp must be another change and no other configuration")
	}
	if plain.Revision != asked.Revision || asked.Version.Artifact.Request != "r" {
		t.Error("a request that was acted on is recorded and changes nothing")
	}
}

func TestWindowProblem(t *testing.T) {
	t.Parallel()
	_, problems := Resolve(layers(environment(func(e *v1alpha1.EnvironmentSpec) {
		e.ManagedUpdates = &v1alpha1.ManagedUpdates{Enabled: true, Window: &v1alpha1.MaintenanceWindow{Day: "Sun", Start: "03:00", TimeZone: "Mars"}}
	})))
	want := []Problem{{Field: "spec.managedUpdates.window", Message: `timeZone "Mars" is not known; name one as in the IANA database, such as Asia/Seoul`}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// bundled are layers of a version from a bundle on python/3.1/3.1.9, listening on 8000.
func bundled(tweaks ...func(*Layers)) Layers {
	return layers(append([]func(*Layers){func(l *Layers) {
		l.Operator.BundleImage, l.Operator.StoreURL = "operator:1", "http://store"
		l.Version.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "store://shop-41"}}
		l.Version.Status = v1alpha1.ApplicationVersionStatus{Artifacts: []v1alpha1.Artifact{
			{Platform: "python", Branch: "3.1", Version: "3.1.8", SHA256: strings.Repeat("8", 64)},
			{
				Platform: "python", Branch: "3.1", Version: "3.1.9", SHA256: strings.Repeat("9", 64),
				Processes: map[string]v1alpha1.ProcessCommand{"web": "gunicorn --bind :$PORT app", "worker": "python worker.py"}, Release: []string{"sh", "-c", "migrate"},
			},
		}}
		l.Platform = &Platform{
			Name: "python", Branch: "3.1", Version: "3.1.9", RunImage: "python:3.1.9", Port: 8000,
			Properties: []v1alpha1.PlatformProperty{{Name: "MODE", Value: "plain"}, {Name: "A", Value: "platform"}},
		}
	}}, tweaks...)...)
}

func TestBundle(t *testing.T) {
	t.Parallel()
	s, problems := Resolve(bundled(environment(func(e *v1alpha1.EnvironmentSpec) {
		value := "own"
		e.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "A", Value: &value}}
	})))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := Version{
		Name: "shop-41", Image: "python:3.1.9", Digest: "sha256:" + strings.Repeat("9", 64), Release: []string{"sh", "-c", "migrate"}, ReleaseSeconds: 600,
		Artifact: &Artifact{SHA256: strings.Repeat("9", 64), Platform: "python/3.1/3.1.9", InstallerImage: "operator:1", StoreURL: "http://store"},
	}
	if diff := cmp.Diff(want, s.Version); diff != "" {
		t.Errorf("version (-want +got):\n%s", diff)
	}
	if len(s.Processes) != 2 || s.Processes[0].Port != 8000 || strings.Join(s.Processes[0].Command, " ") != "/bin/sh -c gunicorn --bind :$PORT app" || s.Processes[1].Port != 0 {
		t.Errorf("processes are %+v", s.Processes)
	}
	if len(s.Properties) != 2 || *s.Properties[0].Value != "own" || *s.Properties[1].Value != "plain" {
		t.Errorf("properties are %+v, want the Environment's own before the platform's", s.Properties)
	}
}

func TestBundleYieldsToItsVersionAndEnvironment(t *testing.T) {
	t.Parallel()
	port := int32(9000)
	s, _ := Resolve(bundled(func(l *Layers) {
		l.Version.Spec.ReleaseCommand = &v1alpha1.ReleaseCommand{Command: []string{"own"}}
		l.Environment.Spec.Processes = []v1alpha1.Process{{Name: "web", Port: &port}}
	}))
	if s.Version.Release[0] != "own" || s.Processes[0].Port != 9000 {
		t.Errorf("release %v on port %d, want own on 9000", s.Version.Release, s.Processes[0].Port)
	}
}

// TestWhatRestartsABundle proves which parts of a platform and an installation are part of a revision.
func TestWhatRestartsABundle(t *testing.T) {
	t.Parallel()
	before, _ := Resolve(bundled())
	for _, tc := range []struct {
		name  string
		tweak func(*Layers)
		// restarts, and configures when it is a change of settings too.
		restarts, configures bool
	}{
		{"another operator image", func(l *Layers) { l.Operator.BundleImage = "operator:2" }, false, false},
		{"another store", func(l *Layers) { l.Operator.StoreURL = "http://other" }, false, false},
		{"a registry for artifacts", func(l *Layers) {
			l.Operator.Registry = Registry{Prefix: "registry.example/beanpod", PullSecret: "regcred"}
			l.Version.Status.Artifacts[1].Image, l.Version.Status.Artifacts[1].RunImage = "registry.example/beanpod/team/shop@sha256:1", "python:3.1.9"
		}, false, false},
		{"another recommended version", func(l *Layers) { l.Platform.Recommended = "3.1.10" }, false, false},
		{"another property of the branch", func(l *Layers) { l.Platform.Properties[0].Value = "fancy" }, false, false},
		{"a deprecated branch", func(l *Layers) { l.Platform.State = v1alpha1.PlatformDeprecated }, false, false},
		{"another platform version", func(l *Layers) {
			l.Platform.Version, l.Platform.RunImage = "3.1.8", "python:3.1.9"
			l.Version.Status.Artifacts[0].SHA256, l.Version.Status.Artifacts[0].Processes = strings.Repeat("9", 64), l.Version.Status.Artifacts[1].Processes
		}, true, false},
		{"another artifact", func(l *Layers) { l.Version.Status.Artifacts[1].SHA256 = strings.Repeat("7", 64) }, true, false},
		{"another run image", func(l *Layers) { l.Platform.RunImage = "python@sha256:1" }, true, false},
		{"another port of the branch", func(l *Layers) { l.Platform.Port = 8001 }, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			after, _ := Resolve(bundled(tc.tweak))
			if restarts := after.Revision != before.Revision; restarts != tc.restarts {
				t.Errorf("restarts: %t, want %t", restarts, tc.restarts)
			}
			if configures := after.Configuration != before.Configuration; configures != tc.configures {
				t.Errorf("is a change of settings: %t, want %t", configures, tc.configures)
			}
		})
	}
}

func TestPackaged(t *testing.T) {
	t.Parallel()
	a := &v1alpha1.Artifact{Image: "registry.example/team/a/b@sha256:1", RunImage: "python:1"}
	for _, tc := range []struct {
		name, prefix, runImage string
		artifact               *v1alpha1.Artifact
		want                   string
	}{
		{"is there", "registry.example/team", "python:1", a, a.Image},
		{"no registry", "", "python:1", a, ""},
		{"another registry", "registry.example/tea", "python:1", a, ""},
		{"another run image", "registry.example/team", "python:2", a, ""},
		{"not pushed", "registry.example/team", "", &v1alpha1.Artifact{}, ""},
		{"not built", "registry.example/team", "python:1", nil, ""},
	} {
		if got := (Operator{Registry: Registry{Prefix: tc.prefix}}).Packaged(tc.artifact, tc.runImage); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDeprecation(t *testing.T) {
	t.Parallel()
	p := Platform{Name: "python", Branch: "3.9", State: v1alpha1.PlatformDeprecated, RetireOn: "2027-03-31"}
	if got, want := p.Deprecation(), `branch "3.9" of Platform "python" is deprecated and is retired on 2027-03-31; move to another with spec.platformRef.branch`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.State = v1alpha1.PlatformSupported
	if got := p.Deprecation(); got != "" {
		t.Errorf("a supported branch warns: %q", got)
	}
}
