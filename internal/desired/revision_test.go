// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// TestOneRevisionOneTemplate proves that no change of an Environment changes the pods behind the back of its revision: a rollout
// begins only with another revision, and pods that change without one are replaced without policy, gate or record. Each field
// takes several values, unset among them; wherever two of them give the same revision, they must give the same pods.
func TestOneRevisionOneTemplate(t *testing.T) {
	t.Parallel()
	fields := 0
	for _, tweak := range arms {
		env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop", UID: "uid"}}
		set(reflect.ValueOf(&env.Spec.EnvironmentSettings).Elem(), "")
		env.Spec.ApplicationRef.Name, env.Spec.Tier = "shop", v1alpha1.TierWebServer
		tweak(&env.Spec)
		start := template(t, env)
		// ApplicationRef and Tier, beside EnvironmentSettings, cannot be changed.
		vary("spec", reflect.ValueOf(&env.Spec.EnvironmentSettings).Elem(), func(path string, each func(func())) {
			fields++
			seen := map[string]string{start.revision: start.pods}
			each(func() {
				got := template(t, env)
				if before, ok := seen[got.revision]; ok && before != got.pods {
					t.Errorf("changing %s changes the pods but not the revision:\n%s", path, cmp.Diff(before, got.pods))
				}
				seen[got.revision] = got.pods
			})
		})
		if template(t, env) != start {
			t.Fatal("the walk does not put back what it changed")
		}
	}
	if fields < 500 {
		t.Fatalf("only %d fields were changed; the walk is broken", fields)
	}
}

// arms choose one arm of each union, because an Environment with two is refused.
var arms = []func(*v1alpha1.EnvironmentSpec){
	func(s *v1alpha1.EnvironmentSpec) { s.EnvironmentProperties[0].ValueFrom = nil },
	func(s *v1alpha1.EnvironmentSpec) {
		s.EnvironmentProperties[0].Value, s.EnvironmentProperties[0].ValueFrom.SecretKeyRef = nil, nil
		s.PodTemplate.Volumes[0].EmptyDir = nil
	},
	func(s *v1alpha1.EnvironmentSpec) {
		s.EnvironmentProperties[0].Value, s.EnvironmentProperties[0].ValueFrom.ConfigMapKeyRef = nil, nil
		s.PodTemplate.Volumes[0].EmptyDir, s.PodTemplate.Volumes[0].ConfigMap = nil, nil
	},
	func(s *v1alpha1.EnvironmentSpec) {
		v := &s.PodTemplate.Volumes[0]
		v.EmptyDir, v.ConfigMap, v.Secret = nil, nil, nil
	},
}

// built is a revision and the pods that it stands for, without the revision's own name.
type built struct{ revision, pods string }

func template(t *testing.T, env *v1alpha1.Environment) built {
	t.Helper()
	version := &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{Name: "shop-41"}}
	version.Spec.Source.Image = &v1alpha1.ImageSource{Reference: "registry.example/shop:41"}
	s, _ := settings.Resolve(settings.Layers{Environment: env, Version: version})
	out := built{revision: s.Revision}
	s.Revision = ""
	text, err := json.Marshal(pod.Template(s, "a"))
	if err != nil {
		t.Fatal(err)
	}
	out.pods = string(text)
	return out
}

// set gives every field a value: one element in each list and map, and a quantity where one is asked for.
func set(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0), name)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		set(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString("x")
		if slices.Contains([]string{"CPU", "Memory", "EphemeralStorage", "SizeLimit"}, name) {
			v.SetString("1")
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(3)
	}
}

// vary visits every field below v. each gives the field one value after the other and then puts the old one back.
func vary(path string, v reflect.Value, visit func(path string, each func(try func()))) {
	visit(path, func(try func()) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		for _, value := range values(v) {
			v.Set(value)
			try()
		}
		v.Set(old)
	})
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			vary(path, v.Elem(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			vary(path+"."+name, v.Field(i), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			vary(path, v.Index(i), visit)
		}
	}
}

// values are those that a field may take: unset, empty, the defaults that settings know, and others.
func values(v reflect.Value) []reflect.Value {
	out := []reflect.Value{reflect.Zero(v.Type())}
	convert := func(list ...any) {
		for _, value := range list {
			out = append(out, reflect.ValueOf(value).Convert(v.Type()))
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		out = append(out, reflect.New(v.Type().Elem()))
	case reflect.Map:
		other := reflect.MakeMap(v.Type())
		other.SetMapIndex(reflect.ValueOf("kubernetes.io/arch").Convert(v.Type().Key()), reflect.ValueOf("y").Convert(v.Type().Elem()))
		out = append(out, reflect.MakeMap(v.Type()), other)
	case reflect.String:
		convert("y", "2", "2000m", "web", "shop", "Disk", "Memory", "Equal", "Exists", "Rollout")
	case reflect.Bool:
		convert(true)
	case reflect.Int32, reflect.Int64:
		convert(1, 5, 10, 20, 8080)
	}
	return out
}
