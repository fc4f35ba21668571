// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// TestGoldenHashes must not change by accident. A hash that differs from the one of the release before restarts every instance
// of every such Environment the moment the operator is upgraded. If a change to the projection cannot be avoided, say so in the
// release notes under Breaking, and only then write the new hashes here.
func TestGoldenHashes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name                    string
		layers                  Layers
		configuration, revision string
	}{
		{"the smallest web environment", layers(), "bd6d4e84ad909ddcabee", "d99ec2c33ce4505eaa04"},
		{"the smallest background environment", layers(environment(func(e *v1alpha1.EnvironmentSpec) { e.Tier = v1alpha1.TierBackground })), "daa63199edcde5bde023", "888a78779a86d4500025"},
		{"a database", layers(bound(binding("shop-db", "", "/bindings/shop-db"))), "dd5267f23dba584ea588", "0ffdc8a9870ec55df6af"},
		{"every field", full(), "e4fd3917ac67273bec61", "5dbbe9bf3d7bf01d71bd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, _ := Resolve(tc.layers)
			if s.Configuration != tc.configuration || s.Revision != tc.revision {
				t.Errorf("hashes are %s and %s, want %s and %s: this upgrade would restart every such environment",
					s.Configuration, s.Revision, tc.configuration, tc.revision)
			}
		})
	}
}

// restarting are the fields of an Environment whose change must restart instances, because it changes the pods. Every other
// field must not: a user who only changes the scaling, a route or a tag sees no instance restart.
var restarting = []string{
	"spec.tier",
	"spec.capacity.resources", "spec.capacity.placement",
	"spec.environmentProperties", "spec.processes",
	"spec.isolation.group", "spec.podTemplate", "spec.databases",
}

// TestWhatRestarts changes each field of an Environment that has all fields set, one after the other.
func TestWhatRestarts(t *testing.T) {
	t.Parallel()
	changed, seen := map[string]bool{}, map[string]bool{}
	for _, variant := range variants {
		l := full(variant)
		before := resolved(l)
		walk("spec", reflect.ValueOf(&l.Environment.Spec).Elem(), func(path string) {
			seen[path] = true
			if resolved(l) != before {
				changed[path] = true
			}
		})
		if resolved(l) != before {
			t.Fatal("the walk does not put back what it changed")
		}
	}
	if len(seen) < 140 {
		t.Fatalf("only %d fields were changed; the walk is broken", len(seen))
	}
	for path := range seen {
		want := slices.ContainsFunc(restarting, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
		if changed[path] != want {
			t.Errorf("changing %s restarts instances: %t, want %t", path, changed[path], want)
		}
	}
}

// variants choose one arm of each union, because an Environment with two is refused.
var variants = []func(*Layers){
	environment(func(e *v1alpha1.EnvironmentSpec) { e.EnvironmentProperties[0].ValueFrom = nil }),
	environment(func(e *v1alpha1.EnvironmentSpec) { e.EnvironmentProperties[0].ValueFrom.SecretKeyRef = nil }),
	environment(func(e *v1alpha1.EnvironmentSpec) { e.PodTemplate.Volumes[0].EmptyDir = nil }),
	environment(func(e *v1alpha1.EnvironmentSpec) {
		e.PodTemplate.Volumes[0].EmptyDir, e.PodTemplate.Volumes[0].ConfigMap = nil, nil
	}),
	environment(func(e *v1alpha1.EnvironmentSpec) {
		e.PodTemplate.Volumes[0].EmptyDir, e.PodTemplate.Volumes[0].ConfigMap, e.PodTemplate.Volumes[0].Secret = nil, nil, nil
	}),
	func(l *Layers) {
		l.Databases = map[string]Claim{l.Environment.Spec.Databases[0].ClaimRef.Name: {Secret: "db", Digest: "abc"}}
	},
	func(*Layers) {},
}

func resolved(l Layers) string {
	s, _ := Resolve(l)
	return s.Revision
}

// full has every field of the spec set.
func full(tweaks ...func(*Layers)) Layers {
	l := layers()
	fill(reflect.ValueOf(&l.Environment.Spec).Elem())
	for _, tweak := range tweaks {
		tweak(&l)
	}
	return l
}

// fill sets every field: one element in each list and map.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	default:
		change(v)
	}
}

// walk changes one leaf at a time, calls visit with its path and puts the old value back.
func walk(path string, v reflect.Value, visit func(path string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(path, v.Elem(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			switch {
			case name == "" && v.Type().Field(i).Anonymous:
				walk(path, v.Field(i), visit)
			case name == "":
				walk(path+"."+v.Type().Field(i).Name, v.Field(i), visit)
			default:
				walk(path+"."+name, v.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(path, v.Index(i), visit)
		}
	case reflect.Map:
		old := v.Interface()
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(v.MapKeys()[0]))
		change(value)
		other := reflect.MakeMap(v.Type())
		other.SetMapIndex(v.MapKeys()[0], value)
		v.Set(other)
		visit(path)
		v.Set(reflect.ValueOf(old))
	default:
		old := reflect.ValueOf(v.Interface())
		change(v)
		visit(path)
		v.Set(old)
	}
}

// change gives a leaf another value.
func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(v.Int() + 1)
	default:
		panic(fmt.Sprintf("%s is new in the API: teach change how to change it", v.Type()))
	}
}

// TestRevision tables what reaches the revision from elsewhere than the spec's fields.
func TestRevision(t *testing.T) {
	t.Parallel()
	secrets := func(l *Layers) {
		l.Checked = []CheckedInput{
			{Kind: "configmap", Name: "flags", ResourceVersion: "1", Digest: "a"}, {Kind: "secret", Name: "db", ResourceVersion: "1", Digest: "a"},
			{Kind: "secret", Name: "tls", ResourceVersion: "1", Digest: "a"},
		}
		l.Environment.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{
			Name: "DB", ValueFrom: &v1alpha1.PropertySource{SecretKeyRef: &v1alpha1.KeyReference{Name: "db", Key: "url"}},
		}}
		l.Environment.Spec.PodTemplate = &v1alpha1.PodTemplate{Volumes: []v1alpha1.Volume{{Name: "f", ConfigMap: &v1alpha1.LocalReference{Name: "flags"}}}}
	}
	followed := func(l *Layers) {
		secrets(l)
		l.Environment.Spec.OnSecretChange = v1alpha1.SecretChangeRollout
	}
	for _, tc := range []struct {
		name          string
		base          func(*Layers)
		tweak         func(*Layers)
		configuration bool
		revision      bool
	}{
		{"another version", nil, func(l *Layers) { l.Version.Name = "shop-42" }, false, true},
		{"another digest", nil, func(l *Layers) { l.Version.Status.Image.Digest = "sha256:00" }, false, true},
		{"another tag of the same digest", nil, func(l *Layers) { l.Version.Spec.Source.Image.Reference = "registry.example/shop:42" }, false, false},
		{"a pull secret", nil, func(l *Layers) {
			l.Version.Spec.Source.Image.PullSecretRef = &v1alpha1.LocalReference{Name: "login"}
		}, false, true},
		{"the node's own image", nil, func(l *Layers) { l.Version.Spec.Source.Image.PullPolicy = v1alpha1.PullNever }, false, true},
		{"a command", nil, func(l *Layers) { l.Version.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": "serve"} }, false, true},
		{"another process", nil, func(l *Layers) { l.Version.Spec.Processes = map[string]v1alpha1.ProcessCommand{"clock": "tick"} }, true, true},
		{"a restart", nil, func(l *Layers) {
			l.Environment.Annotations = map[string]string{v1alpha1.AnnotationRestartRequested: "now"}
		}, false, true},
		{"a rebuild", nil, func(l *Layers) {
			l.Environment.Annotations = map[string]string{v1alpha1.AnnotationRebuildRequested: "now"}
		}, false, false},
		{"a schedule that comes", func(l *Layers) {
			l.At = time.Date(2026, 6, 1, 21, 59, 0, 0, time.UTC)
			l.Environment.Spec.Capacity = &v1alpha1.Capacity{Autoscaling: &v1alpha1.Autoscaling{
				Schedules: []v1alpha1.ScalingSchedule{{Name: "day", Cron: "0 7 * * *", Min: ptr.To(int32(7))}, {Name: "night", Cron: "0 22 * * *", Min: ptr.To(int32(2))}},
			}}
		}, func(l *Layers) { l.At = l.At.Add(time.Minute) }, false, false},
		{"another annotation", nil, func(l *Layers) { l.Environment.Annotations = map[string]string{"a": "b"} }, false, false},
		{"another base domain", nil, func(l *Layers) { l.Operator.BaseDomain = "other" }, false, false},
		{"another trusted network", nil, func(l *Layers) { l.Operator.TrustedCIDRs = []string{"10.0.0.0/8"} }, false, false},
		{"a secret's value, by default", secrets, func(l *Layers) { l.Checked[1].Digest = "b" }, false, false},
		{"a secret's value, with Rollout", followed, func(l *Layers) { l.Checked[1].Digest = "b" }, true, true},
		{"a mounted config map, with Rollout", followed, func(l *Layers) { l.Checked[0].Digest = "b" }, true, true},
		{"a route's certificate, with Rollout", followed, func(l *Layers) { l.Checked[2].Digest = "b" }, false, false},
		{"a secret's other keys, with Rollout", followed, func(l *Layers) { l.Checked[1].ResourceVersion = "2" }, false, false},
		{"the order of properties", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "A"}, {Name: "B"}}
		}), environment(func(e *v1alpha1.EnvironmentSpec) { slices.Reverse(e.EnvironmentProperties) }), false, false},
		{"an empty value instead of none", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "A"}}
		}), environment(func(e *v1alpha1.EnvironmentSpec) { e.EnvironmentProperties[0].Value = ptr.To("") }), false, false},
		{"a default that is written out", nil, environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Processes = []v1alpha1.Process{{Name: "web", Port: ptr.To[int32](8080), DrainSeconds: ptr.To[int32](20)}}
			e.Isolation = &v1alpha1.Isolation{Group: "shop"}
			e.Capacity = &v1alpha1.Capacity{Placement: &v1alpha1.Placement{SpreadAcrossZones: ptr.To(true)}}
		}), false, false},
		{"an explicit false that the pod template shows", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.PodTemplate = &v1alpha1.PodTemplate{}
		}), environment(func(e *v1alpha1.EnvironmentSpec) {
			e.PodTemplate = &v1alpha1.PodTemplate{ReadOnlyRootFilesystem: ptr.To(false)}
		}), true, true},
		{"a limit instead of a request", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Capacity = &v1alpha1.Capacity{Resources: &v1alpha1.Resources{Limits: &v1alpha1.ResourceAmounts{CPU: "1"}}}
		}), environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Capacity = &v1alpha1.Capacity{Resources: &v1alpha1.Resources{Requests: &v1alpha1.ResourceAmounts{CPU: "1"}}}
		}), true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base := func(l *Layers) {
				if tc.base != nil {
					tc.base(l)
				}
			}
			before, after := resolve(base), resolve(base, tc.tweak)
			if got := before.Configuration != after.Configuration; got != tc.configuration {
				t.Errorf("the configuration changes: %t, want %t", got, tc.configuration)
			}
			if got := before.Revision != after.Revision; got != tc.revision {
				t.Errorf("the revision changes: %t, want %t", got, tc.revision)
			}
		})
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	list := []CheckedInput{
		{Kind: "secret", Name: "db", ResourceVersion: "12", Digest: "abc"},
		{Kind: "configmap", Name: "flags.v2", ResourceVersion: "9", Digest: "def"},
	}
	text := encodeInputs(list)
	if want := "configmap/flags.v2@9=def;secret/db@12=abc"; text != want {
		t.Errorf("encodeInputs = %q, want %q", text, want)
	}
	slices.Reverse(list)
	if diff := cmp.Diff(list, DecodeInputs(text)); diff != "" {
		t.Errorf("DecodeInputs (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", ";", "secret/db", "secret@1=a", "secret/db@1", "db@1=a"} {
		if got := DecodeInputs(bad); len(got) > 0 {
			t.Errorf("DecodeInputs(%q) = %v, want none", bad, got)
		}
	}
	if got := DecodeInputs("nonsense;" + text); len(got) != 2 {
		t.Errorf("DecodeInputs beside nonsense = %v, want two", got)
	}
}

// FuzzDecodeInputs proves that what was read is written and read again unchanged, whatever somebody wrote into the annotation.
func FuzzDecodeInputs(f *testing.F) {
	for _, seed := range []string{"", "secret/db@12=abc", "configmap/a@1=b;secret/c@2=d", "a/b/c@d@e=f=g", ";;", "/@=", "secret/db@=;x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first := DecodeInputs(text)
		encoded := encodeInputs(first)
		second := DecodeInputs(encoded)
		if len(first) != len(second) || encodeInputs(second) != encoded {
			t.Errorf("%q reads as %v, then as %v", text, first, second)
		}
	})
}
