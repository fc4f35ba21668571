// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// bed is a loader over objects that exist, which counts what it reads past the cache.
type bed struct {
	*Loader
	reads int
	fail  error
	store client.WithWatch
}

func makeBed(objects ...client.Object) *bed {
	b := &bed{}
	b.store = fake.NewClientBuilder().WithScheme(testkit.Scheme()).WithObjects(objects...).
		WithIndex(&v1alpha1.Environment{}, EnvironmentsByName, func(o client.Object) []string { return []string{o.GetName()} }).Build()
	live := interceptor.NewClient(b.store, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			b.reads++
			if b.fail != nil {
				return b.fail
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
	b.restart(live)
	return b
}

func (b *bed) restart(live client.Reader) {
	b.Loader = &Loader{Cache: b.store, Live: live, Operator: settings.Operator{BaseDomain: "example.com"}, ClusterScoped: true}
}

func made(namespace, name string, ago time.Duration, tweaks ...func(*v1alpha1.Environment)) *v1alpha1.Environment {
	e := testkit.MakeEnvironment(namespace, name, "v1", tweaks...)
	e.UID = types.UID(namespace + "/" + name)
	e.CreationTimestamp = metav1.NewTime(time.Now().Add(-ago).Truncate(time.Second))
	return e
}

func version(name, status, reason string) *v1alpha1.ApplicationVersion {
	v := testkit.MakeVersion("a", name, "shop:"+name)
	if status != "" {
		v.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionStatus(status), Reason: reason, Message: "it is " + reason}}
	}
	return v
}

func platform() *v1alpha1.Platform {
	p := &v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: "python"}}
	p.Spec.Branches = []v1alpha1.PlatformBranch{{Name: "3.12", State: v1alpha1.PlatformSupported}, {Name: "2.7", State: v1alpha1.PlatformRetired}}
	return p
}

func TestLoad(t *testing.T) {
	t.Parallel()
	web := func(e *v1alpha1.Environment) { e.Spec.Tier = v1alpha1.TierWebServer }
	names := func(v string) func(*v1alpha1.Environment) {
		return func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = v }
	}
	on := func(name, branch string) func(*v1alpha1.Environment) {
		return func(e *v1alpha1.Environment) {
			e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: name, Branch: branch}
		}
	}
	bundle := version("bundle", "True", "Processed")
	bundle.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "https://example.com/x.zip"}}
	foreign := version("foreign", "True", "Processed")
	foreign.Spec.ApplicationRef.Name = "other"
	objects := func() []client.Object {
		return []client.Object{
			testkit.MakeApplication("a"), version("v1", "True", "Processed"), version("new", "", ""), version("busy", "Unknown", "Processing"),
			version("bad", "False", "Failed"), bundle.DeepCopy(), foreign.DeepCopy(), platform(),
			made("b", "taken", time.Hour, web), made("b", "inner", time.Hour), made("b", "late", time.Minute, web),
		}
	}
	for _, test := range []struct {
		name string
		env  *v1alpha1.Environment
		// want is the reason, empty when all resolves; parts are what its message names.
		want  string
		parts []string
	}{
		{name: "all there", env: made("a", "blue", 0)},
		{name: "no application", env: made("a", "blue", 0, func(e *v1alpha1.Environment) { e.Spec.ApplicationRef.Name = "none" }), want: "ApplicationNotFound", parts: []string{`"none"`}},
		{name: "no version", env: made("a", "blue", 0, func(e *v1alpha1.Environment) { e.Spec.VersionRef = nil }), want: "VersionNotSet"},
		{name: "unknown version", env: made("a", "blue", 0, names("v9")), want: "VersionNotFound", parts: []string{`"v9"`}},
		{name: "new version", env: made("a", "blue", 0, names("new")), want: "VersionNotReady", parts: []string{`"new"`}},
		{name: "busy version", env: made("a", "blue", 0, names("busy")), want: "VersionNotReady", parts: []string{`"busy"`}},
		{name: "failed version", env: made("a", "blue", 0, names("bad")), want: "VersionFailed", parts: []string{`"bad"`, "it is Failed"}},
		{name: "bundle", env: made("a", "blue", 0, names("bundle")), want: "SourceNotSupported", parts: []string{"source.image"}},
		{name: "foreign version", env: made("a", "blue", 0, names("foreign")), want: "VersionOfOtherApplication", parts: []string{`"foreign"`, `"other"`, `"shop"`}},
		{name: "worker", env: made("a", "blue", 0, func(e *v1alpha1.Environment) { e.Spec.Tier = v1alpha1.TierWorker }), want: "TierNotSupported"},
		{name: "platform", env: made("a", "blue", 0, on("python", ""))},
		{name: "branch", env: made("a", "blue", 0, on("python", "3.12"))},
		{name: "unknown platform", env: made("a", "blue", 0, on("cobol", "")), want: "PlatformNotFound", parts: []string{`"cobol"`}},
		{name: "unknown branch", env: made("a", "blue", 0, on("python", "4")), want: "BranchNotFound", parts: []string{`"4"`, `"python"`}},
		{name: "retired branch", env: made("a", "blue", 0, on("python", "2.7")), want: "PlatformRetired", parts: []string{`"2.7"`}},
		{name: "retired branch that runs already", env: made("a", "blue", 0, on("python", "2.7"), func(e *v1alpha1.Environment) {
			e.Status.DeployedVersion = &v1alpha1.DeployedVersion{Name: "v1"}
		})},
		{name: "host of an older one", env: made("a", "taken", 0, web), want: "HostConflict", parts: []string{"b/taken", "taken.example.com"}},
		{name: "host of an older one, private", env: made("a", "taken", 0, web, func(e *v1alpha1.Environment) {
			e.Spec.Routing = &v1alpha1.Routing{Type: v1alpha1.RoutingNone}
		})},
		{name: "name of one without a host", env: made("a", "inner", 0, web)},
		{name: "host of a younger one", env: made("a", "late", time.Hour, web)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := makeBed(append(objects(), test.env)...).Load(t.Context(), test.env, Known{Inputs: ""})
			reason, message := told(err)
			if reason != test.want {
				t.Fatalf("got %q (%v), want %q", reason, err, test.want)
			}
			for _, part := range test.parts {
				if !strings.Contains(message, part) {
					t.Errorf("%q does not name %s", message, part)
				}
			}
		})
	}
}

// TestLoadOptions: what a bundle's option settings say is below what the Environment says, and the Environment itself stays as it is.
func TestLoadOptions(t *testing.T) {
	t.Parallel()
	v := version("v1", "True", "Processed")
	v.Status.Bundle = &v1alpha1.FetchedBundle{Options: []v1alpha1.OptionSetting{
		{Namespace: "aws:autoscaling:asg", Name: "MinSize", Value: "2"}, {Namespace: "aws:autoscaling:asg", Name: "MaxSize", Value: "9"},
	}}
	three := int32(3)
	env := made("a", "blue", 0, func(e *v1alpha1.Environment) { e.Spec.Capacity = &v1alpha1.Capacity{Max: &three} })
	before := env.DeepCopy()
	layers, err := makeBed(testkit.MakeApplication("a"), v, env).Load(t.Context(), env, Known{})
	if err != nil {
		t.Fatal(err)
	}
	s, problems := settings.Resolve(layers)
	if s.Min != 2 || s.Max != 3 || len(problems) > 0 {
		t.Errorf("%d to %d instances, want 2 to 3 (%v)", s.Min, s.Max, problems)
	}
	if diff := cmp.Diff(before.Spec, env.Spec); diff != "" {
		t.Errorf("the Environment was changed:\n%s", diff)
	}
}

func told(err error) (reason, message string) {
	if s := outcome.AsStall(err); s != nil {
		return s.Reason, s.Message
	}
	if w := outcome.AsWait(err); w != nil {
		return w.Reason, w.Message
	}
	if err != nil {
		return "error", err.Error()
	}
	return "", ""
}

func secretRef(variable, name, key string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.EnvironmentProperties = append(e.Spec.EnvironmentProperties, v1alpha1.EnvironmentProperty{
			Name: variable, ValueFrom: &v1alpha1.PropertySource{SecretKeyRef: &v1alpha1.KeyReference{Name: name, Key: key}},
		})
	}
}

func configRef(variable, name, key string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.EnvironmentProperties = append(e.Spec.EnvironmentProperties, v1alpha1.EnvironmentProperty{
			Name: variable, ValueFrom: &v1alpha1.PropertySource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: name, Key: key}},
		})
	}
}

func secret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "db", UID: "db"}, Data: map[string][]byte{"password": []byte("x"), "user": []byte("y")}}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	flags := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "flags", UID: "flags"}, Data: map[string]string{"mode": "m"}, BinaryData: map[string][]byte{"raw": {1}},
	}
	mount := func(v v1alpha1.Volume) func(*v1alpha1.Environment) {
		return func(e *v1alpha1.Environment) {
			e.Spec.PodTemplate = &v1alpha1.PodTemplate{Volumes: []v1alpha1.Volume{v}}
		}
	}
	for _, test := range []struct {
		name  string
		env   *v1alpha1.Environment
		want  string
		parts []string
	}{
		{name: "found", env: made("a", "blue", 0, secretRef("P", "db", "password"), configRef("M", "flags", "mode"), configRef("R", "flags", "raw"))},
		{name: "no secret", env: made("a", "blue", 0, secretRef("P", "none", "password")), want: "SecretNotFound", parts: []string{"spec.environmentProperties[P]", `Secret "none"`}},
		{name: "no key", env: made("a", "blue", 0, secretRef("P", "db", "pin")), want: "SecretKeyNotFound", parts: []string{`key "pin"`, `Secret "db"`}},
		{name: "no config map", env: made("a", "blue", 0, configRef("M", "none", "mode")), want: "ConfigMapNotFound", parts: []string{`ConfigMap "none"`}},
		{name: "no key of a config map", env: made("a", "blue", 0, configRef("M", "flags", "none")), want: "ConfigMapKeyNotFound", parts: []string{`key "none"`, `ConfigMap "flags"`}},
		{name: "all that are missing at once", env: made("a", "blue", 0, secretRef("P", "none", "k"), configRef("M", "neither", "k")), want: "ConfigMapNotFound", parts: []string{`"none"`, `"neither"`}},
		{name: "mounted secret", env: made("a", "blue", 0, mount(v1alpha1.Volume{Name: "v", Secret: &v1alpha1.LocalReference{Name: "none"}})), want: "SecretNotFound", parts: []string{"spec.podTemplate.volumes[v]"}},
		{name: "mounted config map", env: made("a", "blue", 0, mount(v1alpha1.Volume{Name: "v", ConfigMap: &v1alpha1.LocalReference{Name: "flags"}}))},
		{name: "certificate", env: made("a", "blue", 0, func(e *v1alpha1.Environment) {
			e.Spec.Tier, e.Spec.Routing = v1alpha1.TierWebServer, &v1alpha1.Routing{TLS: &v1alpha1.TLS{SecretName: "cert"}}
		}), want: "SecretNotFound", parts: []string{"spec.routing.tls.secretName", `"cert"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := makeBed(testkit.MakeApplication("a"), version("v1", "True", "Processed"), secret(), flags.DeepCopy(), test.env).Load(t.Context(), test.env, Known{Inputs: ""})
			reason, message := told(err)
			if reason != test.want {
				t.Fatalf("got %q (%v), want %q", reason, err, test.want)
			}
			for _, part := range test.parts {
				if !strings.Contains(message, part) {
					t.Errorf("%q does not name %s", message, part)
				}
			}
		})
	}
}

// TestReads counts what is read past the cache: once for each content, whatever happens to the process.
func TestReads(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, secretRef("P", "db", "password"), func(e *v1alpha1.Environment) { e.Spec.OnSecretChange = v1alpha1.SecretChangeRollout })
	b := makeBed(testkit.MakeApplication("a"), version("v1", "True", "Processed"), secret(), env)
	recorded := ""
	load := func(what string, reads int) []settings.CheckedInput {
		t.Helper()
		b.reads = 0
		layers, err := b.Load(t.Context(), env, Known{Inputs: recorded})
		if err != nil || b.reads != reads {
			t.Fatalf("%s: %d reads, want %d (%v)", what, b.reads, reads, err)
		}
		cfg, _ := settings.Resolve(layers)
		recorded = cfg.Inputs
		return layers.Checked
	}
	first := load("at first", 1)
	load("again", 0)
	b.restart(b.Live)
	if got := load("after a restart", 0); !slices.Equal(got, first) {
		t.Errorf("recorded %v, want %v", got, first)
	}

	s := secret()
	if err := b.store.Get(t.Context(), client.ObjectKeyFromObject(s), s); err != nil {
		t.Fatal(err)
	}
	s.Labels = map[string]string{"team": "shop"}
	if err := b.store.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := load("after a new label", 1); got[0].Digest != first[0].Digest {
		t.Error("a label changed the digest of the values")
	}
	s.Data["password"] = []byte("new")
	if err := b.store.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := load("after a new value", 1); got[0].Digest == first[0].Digest {
		t.Error("a new value did not change the digest")
	}
	secretRef("U", "db", "user")(env)
	load("after another key", 1)

	b.fail = errors.New("the network is down")
	secretRef("Q", "db", "pin")(env)
	if _, err := b.Load(t.Context(), env, Known{Inputs: recorded}); !errors.Is(err, b.fail) {
		t.Errorf("outcome is %v, want a plain error", err)
	}
}

func TestManualKeepsNoDigest(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, secretRef("P", "db", "password"))
	b := makeBed(testkit.MakeApplication("a"), version("v1", "True", "Processed"), secret(), env)
	one, err1 := b.Load(t.Context(), env, Known{Inputs: ""})
	s := secret()
	err2 := b.store.Get(t.Context(), client.ObjectKeyFromObject(s), s)
	s.Data["password"] = []byte("new")
	err3 := b.store.Update(t.Context(), s)
	two, err4 := b.Load(t.Context(), env, Known{Inputs: ""})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if one.Checked[0].Digest != two.Checked[0].Digest {
		t.Error("something about the value is recorded, although nobody needs it")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, secretRef("P", "db", "password"), secretRef("U", "db", "user"), configRef("M", "flags", "mode"))
	if got := SecretNames(env); !slices.Equal(got, []string{"db"}) {
		t.Errorf("Secrets are %q", got)
	}
	if got := ConfigMapNames(env); !slices.Equal(got, []string{"flags"}) {
		t.Errorf("ConfigMaps are %q", got)
	}
}
