// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// binding is an entry of spec.databases.
func binding(claim, prefix, mountPath string) v1alpha1.DatabaseBinding {
	return v1alpha1.DatabaseBinding{ClaimRef: v1alpha1.LocalReference{Name: claim}, VariablePrefix: prefix, MountPath: mountPath}
}

// bound has these databases, all of whose claims but "new" have a Secret.
func bound(list ...v1alpha1.DatabaseBinding) func(*Layers) {
	return func(l *Layers) {
		l.Environment.Spec.Databases = slices.Clone(list)
		l.Databases = map[string]Claim{"new": {Reason: "DatabaseNotReady", Trouble: "not yet"}}
		for _, b := range list {
			if name := b.ClaimRef.Name; name != "new" {
				l.Databases[name] = Claim{Secret: name + "-binding", ResourceVersion: "7", Digest: name}
			}
		}
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	value := "x"
	property := func(name string) func(*Layers) {
		return environment(func(e *v1alpha1.EnvironmentSpec) {
			e.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: name, Value: &value}}
		})
	}
	volume := func(at string) func(*Layers) {
		return environment(func(e *v1alpha1.EnvironmentSpec) {
			e.PodTemplate = &v1alpha1.PodTemplate{Volumes: []v1alpha1.Volume{{Name: "data"}}, VolumeMounts: []v1alpha1.VolumeMount{{Name: "data", MountPath: at}}}
		})
	}
	bundled := func(l *Layers) {
		l.Version.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{}}
		l.Version.Status.Artifacts = []v1alpha1.Artifact{{State: v1alpha1.ArtifactBuilt, SHA256: "00"}}
		l.Operator.BundleImage, l.Operator.StoreURL = "x", "http://x"
		l.Platform = &Platform{}
	}
	linked := func(variable string) func(*Layers) {
		return func(l *Layers) {
			l.Environment.Spec.Links = []v1alpha1.Link{{Variable: variable, EnvironmentRef: v1alpha1.LocalReference{Name: "api"}}}
			target := &v1alpha1.Environment{}
			target.Name, target.Spec.Tier = "api", v1alpha1.TierWebServer
			l.Links = map[string]*v1alpha1.Environment{"api": target}
		}
	}
	for _, tc := range []struct {
		name  string
		tweak []func(*Layers)
		// variables are the prefixes that there are, root is BindingRoot, and problem what is wrong: its field, then parts of its message.
		prefixes []string
		root     string
		problem  []string
	}{
		{name: "none", tweak: nil},
		{name: "one", tweak: []func(*Layers){bound(binding("a", "", ""))}, prefixes: []string{"RDS"}},
		{name: "two, by prefix", tweak: []func(*Layers){bound(binding("a", "LOGS", ""), binding("b", "DB", ""))}, prefixes: []string{"DB", "LOGS"}},
		{name: "one twice", tweak: []func(*Layers){bound(binding("a", "DB", ""), binding("a", "", ""))}, prefixes: []string{"DB", "RDS"}},
		{name: "one that is not there yet", tweak: []func(*Layers){bound(binding("a", "DB", ""), binding("new", "", ""))}, prefixes: []string{"DB"}},
		{name: "mounted", tweak: []func(*Layers){bound(binding("a", "", "/bindings/a"))}, prefixes: []string{"RDS"}, root: "/bindings"},
		{name: "mounted side by side", tweak: []func(*Layers){bound(binding("a", "A", "/bindings/a"), binding("b", "B", "/bindings/b"), binding("c", "C", ""))}, prefixes: []string{"A", "B", "C"}, root: "/bindings"},
		{name: "mounted apart", tweak: []func(*Layers){bound(binding("a", "A", "/bindings/a"), binding("b", "B", "/other/b"))}, prefixes: []string{"A", "B"}},
		{name: "mounted at the root", tweak: []func(*Layers){bound(binding("a", "A", "/a"))}, prefixes: []string{"A"}},
		{name: "mounted, with a root of the user's", tweak: []func(*Layers){bound(binding("a", "A", "/bindings/a")), property(BindingRoot)}, prefixes: []string{"A"}},
		{name: "mounted beside a volume", tweak: []func(*Layers){bound(binding("a", "A", "/data/a")), volume("/data")}, prefixes: []string{"A"}, root: "/data"},
		{name: "the same prefix", tweak: []func(*Layers){bound(binding("a", "", ""), binding("b", "RDS", ""))}, prefixes: []string{"RDS", "RDS"},
			problem: []string{"spec.databases[b]", `"a"`, "RDS_*", "variablePrefix"}},
		{name: "the same prefix as one that is not there yet", tweak: []func(*Layers){bound(binding("new", "", ""), binding("b", "", ""))}, prefixes: []string{"RDS"},
			problem: []string{"spec.databases[b]", `"new"`}},
		{name: "a property", tweak: []func(*Layers){bound(binding("a", "", "")), property("RDS_PASSWORD")}, prefixes: []string{"RDS"},
			problem: []string{"spec.databases[a]", "RDS_PASSWORD", "spec.environmentProperties"}},
		{name: "a link", tweak: []func(*Layers){bound(binding("a", "", "")), linked("RDS_DB_NAME")}, prefixes: []string{"RDS"},
			problem: []string{"spec.databases[a]", "RDS_DB_NAME", "spec.links"}},
		{name: "the same folder", tweak: []func(*Layers){bound(binding("a", "A", "/x"), binding("b", "B", "/x"))}, prefixes: []string{"A", "B"},
			problem: []string{"spec.databases[b]", "/x", `"a"`}},
		{name: "a folder in another", tweak: []func(*Layers){bound(binding("a", "A", "/x"), binding("b", "B", "/x/y"))}, prefixes: []string{"A", "B"},
			problem: []string{"spec.databases[b]", "/x/y", `"a"`}},
		{name: "the folder of a volume", tweak: []func(*Layers){bound(binding("a", "A", "/data")), volume("/data")}, prefixes: []string{"A"},
			problem: []string{"spec.databases[a]", "/data", "spec.podTemplate.volumeMounts"}},
		{name: "a volume inside", tweak: []func(*Layers){bound(binding("a", "A", "/data")), volume("/data/deep")}, prefixes: []string{"A"},
			problem: []string{"spec.databases[a]", "/data/deep"}},
		{name: "the application's folder", tweak: []func(*Layers){bundled, bound(binding("a", "A", "/app"))}, prefixes: []string{"A"},
			problem: []string{"spec.databases[a]", "source bundle"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, problems := Resolve(layers(tc.tweak...))
			var prefixes []string
			for _, d := range s.Databases {
				prefixes = append(prefixes, d.Prefix)
			}
			root := tc.root
			if len(tc.problem) > 0 {
				root = s.BindingRoot // nobody uses it
			}
			if !slices.Equal(prefixes, tc.prefixes) || s.BindingRoot != root {
				t.Errorf("prefixes are %q and the root is %q, want %q and %q", prefixes, s.BindingRoot, tc.prefixes, tc.root)
			}
			if len(tc.problem) == 0 {
				if len(problems) > 0 {
					t.Errorf("problems: %v", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Field != tc.problem[0] {
				t.Fatalf("problems are %v, want one of %s", problems, tc.problem[0])
			}
			for _, part := range tc.problem[1:] {
				if !strings.Contains(problems[0].Message, part) {
					t.Errorf("%q does not name %s", problems[0].Message, part)
				}
			}
		})
	}
}

func TestDatabaseVariables(t *testing.T) {
	t.Parallel()
	want := []LinkVariable{
		{Name: "RDS_HOSTNAME", Secret: "x", Key: "host"}, {Name: "RDS_PORT", Secret: "x", Key: "port"}, {Name: "RDS_DB_NAME", Secret: "x", Key: "database"},
		{Name: "RDS_USERNAME", Secret: "x", Key: "username"}, {Name: "RDS_PASSWORD", Secret: "x", Key: "password"},
	}
	if diff := cmp.Diff(want, Database{Prefix: "RDS", Secret: "x"}.Variables()); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// TestDatabaseRevision: only another Secret, other contents of it, and what the spec says restart instances.
func TestDatabaseRevision(t *testing.T) {
	t.Parallel()
	two := bound(binding("a", "A", ""), binding("b", "B", ""))
	claim := func(change func(*Claim)) func(*Layers) {
		return func(l *Layers) {
			c := l.Databases["a"]
			change(&c)
			l.Databases["a"] = c
		}
	}
	for _, tc := range []struct {
		name     string
		tweak    func(*Layers)
		restarts bool
	}{
		{"another password", claim(func(c *Claim) { c.Digest = "other" }), true},
		{"another password, by Manual", func(l *Layers) {
			claim(func(c *Claim) { c.Digest = "other" })(l)
			l.Environment.Spec.OnSecretChange = v1alpha1.SecretChangeManual
		}, true},
		{"another Secret", claim(func(c *Claim) { c.Secret = "other" }), true},
		{"another version of the Secret with the same content", claim(func(c *Claim) { c.ResourceVersion = "8" }), false},
		{"a claim that is in trouble", claim(func(c *Claim) { c.Reason, c.Trouble = "DatabaseNotFound", "gone" }), false},
		{"another order", func(l *Layers) { slices.Reverse(l.Environment.Spec.Databases) }, false},
		{"another name of the claim of the same Secret", func(l *Layers) {
			l.Environment.Spec.Databases[0].ClaimRef.Name = "c"
			l.Databases["c"] = l.Databases["a"]
		}, false},
		{"another prefix", func(l *Layers) { l.Environment.Spec.Databases[0].VariablePrefix = "C" }, true},
		{"a folder", func(l *Layers) { l.Environment.Spec.Databases[0].MountPath = "/x" }, true},
		{"one less", func(l *Layers) { l.Environment.Spec.Databases = l.Environment.Spec.Databases[:1] }, true},
		{"its health", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Health = &v1alpha1.HealthSettings{Databases: v1alpha1.DatabaseHealthIgnore}
		}), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before, after := resolve(two), resolve(two, tc.tweak)
			if got := before.Revision != after.Revision; got != tc.restarts || got != (before.Configuration != after.Configuration) {
				t.Errorf("instances restart: %t, want %t", got, tc.restarts)
			}
		})
	}
}

func TestDatabaseHealth(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		say               v1alpha1.DatabaseHealth
		down, unreachable v1alpha1.HealthStatus
	}{
		{"", "Warning", "Info"}, {v1alpha1.DatabaseHealthWarn, "Warning", "Warning"}, {v1alpha1.DatabaseHealthDegrade, "Degraded", "Degraded"}, {v1alpha1.DatabaseHealthIgnore, "", ""},
	} {
		got := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.Health = &v1alpha1.HealthSettings{Databases: tc.say} }))
		if got.DatabaseHealth != tc.down || got.UnreachableHealth != tc.unreachable {
			t.Errorf("%q is %q and %q, want %q and %q", tc.say, got.DatabaseHealth, got.UnreachableHealth, tc.down, tc.unreachable)
		}
	}
	if got := resolve(); got.DatabaseHealth != v1alpha1.HealthWarning || got.UnreachableHealth != v1alpha1.HealthInfo {
		t.Errorf("unset is %q and %q, want a Warning and Info", got.DatabaseHealth, got.UnreachableHealth)
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	text := Bindings([]Database{{Claim: "b", Secret: "two"}, {Claim: "a", Secret: "one"}, {Claim: "b", Secret: "two", Prefix: "X"}})
	if text != "a=one;b=two" {
		t.Errorf("Bindings = %q", text)
	}
	if diff := cmp.Diff(map[string]string{"a": "one", "b": "two"}, DecodeBindings(text)); diff != "" {
		t.Errorf("DecodeBindings (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", ";", "a", "a=", "=x"} {
		if got := DecodeBindings(bad); len(got) > 0 {
			t.Errorf("DecodeBindings(%q) = %v, want none", bad, got)
		}
	}
}
