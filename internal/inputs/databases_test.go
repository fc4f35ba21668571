// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var since = metav1.NewTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))

// claim says whether its database runs and whether its credentials are there: "True", "False" or "Unknown".
func claim(runs, published string, tweaks ...func(*v1alpha1.DatabaseClaim)) *v1alpha1.DatabaseClaim {
	c := &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "shop-db"}}
	c.Status.Binding = &v1alpha1.ServiceBinding{Name: "shop-db-binding"}
	for kind, status := range map[string]string{v1alpha1.ConditionProvisioned: runs, v1alpha1.ConditionCredentialsPublished: published, v1alpha1.ConditionReady: runs} {
		c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionStatus(status), Reason: "Because", Message: "The pod is pending.", LastTransitionTime: since,
		})
	}
	for _, tweak := range tweaks {
		tweak(c)
	}
	return c
}

func stalled(c *v1alpha1.DatabaseClaim) {
	c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: "True"})
}

func bindsTo(secret string) func(*v1alpha1.DatabaseClaim) {
	return func(c *v1alpha1.DatabaseClaim) { c.Status.Binding.Name = secret }
}

// credentials is the Secret of a claim, without some of its keys.
func credentials(name string, without ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name, UID: types.UID(name)}, Data: map[string][]byte{}}
	for _, key := range []string{"type", "provider", "host", "port", "database", "username", "password", "uri"} {
		if !slices.Contains(without, key) {
			s.Data[key] = []byte("the " + key)
		}
	}
	return s
}

func binds(claim, mountPath string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Databases = append(e.Spec.Databases, v1alpha1.DatabaseBinding{ClaimRef: v1alpha1.LocalReference{Name: claim}, MountPath: mountPath})
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	before := map[string]string{"shop-db": "shop-db-binding"}
	whole := credentials("shop-db-binding")
	for _, test := range []struct {
		name    string
		objects []client.Object
		// before is what was bound; nil: nothing.
		before map[string]string
		// want is the reason of the outcome, empty when all resolves; stuck when somebody must act.
		want  string
		stuck bool
		// secret that is bound, and trouble that the claim is in.
		secret, trouble string
		down            bool
		parts           []string
	}{
		{name: "ready", objects: []client.Object{claim("True", "True"), whole}, secret: "shop-db-binding"},
		{name: "not there", want: "DatabaseNotFound", stuck: true, trouble: "DatabaseNotFound", parts: []string{`DatabaseClaim "shop-db"`, "create it"}},
		{name: "not there any more", objects: []client.Object{whole}, before: before, secret: "shop-db-binding", trouble: "DatabaseNotFound",
			parts: []string{`DatabaseClaim "shop-db"`, `Secret "shop-db-binding"`, "spec.adopt"}},
		{name: "being made", objects: []client.Object{claim("False", "False"), whole}, want: "DatabaseNotReady", trouble: "DatabaseNotReady", down: true,
			parts: []string{`DatabaseClaim "shop-db"`, "The pod is pending. See", "kubectl describe databaseclaim shop-db"}},
		{name: "with credentials, but not running", objects: []client.Object{claim("False", "True"), whole}, want: "DatabaseNotReady", trouble: "DatabaseNotReady", down: true},
		{name: "with credentials, and nobody knows", objects: []client.Object{claim("Unknown", "True"), whole}, want: "DatabaseNotReady", trouble: "DatabaseNotReady"},
		{name: "running, without credentials", objects: []client.Object{claim("True", "False"), whole}, want: "DatabaseNotReady", trouble: "DatabaseNotReady"},
		{name: "without a binding", objects: []client.Object{claim("True", "True", func(c *v1alpha1.DatabaseClaim) { c.Status.Binding = nil })}, want: "DatabaseNotReady", trouble: "DatabaseNotReady"},
		{name: "new", objects: []client.Object{claim("True", "True", func(c *v1alpha1.DatabaseClaim) { c.Status = v1alpha1.DatabaseClaimStatus{} })}, want: "DatabaseNotReady", trouble: "DatabaseNotReady",
			parts: []string{"nothing yet"}},
		{name: "stalled", objects: []client.Object{claim("False", "False", stalled), whole}, want: "DatabaseNotReady", stuck: true, trouble: "DatabaseNotReady", down: true},
		{name: "its Secret is not there yet", objects: []client.Object{claim("True", "True")}, want: "DatabaseNotReady", trouble: "DatabaseNotReady", parts: []string{`Secret "shop-db-binding"`}},
		{name: "its Secret is not whole", objects: []client.Object{claim("True", "True"), credentials("shop-db-binding", "password")}, want: "DatabaseNotReady", trouble: "DatabaseNotReady",
			parts: []string{`key "password"`}},
		{name: "bound, does not run", objects: []client.Object{claim("False", "True"), whole}, before: before, secret: "shop-db-binding", trouble: "DatabaseNotReady", down: true,
			parts: []string{"The pod is pending. What runs keeps"}},
		{name: "bound, nobody knows", objects: []client.Object{claim("Unknown", "True"), whole}, before: before, secret: "shop-db-binding"},
		{name: "bound, credentials gone", objects: []client.Object{claim("True", "False"), whole}, before: before, secret: "shop-db-binding", trouble: "DatabaseNotReady"},
		{name: "bound, its Secret is gone", objects: []client.Object{claim("True", "True")}, before: before, secret: "shop-db-binding", trouble: "DatabaseNotReady",
			parts: []string{`Secret "shop-db-binding"`, "no such variables"}},
		{name: "bound, claim and Secret are gone", before: before, secret: "shop-db-binding", trouble: "DatabaseNotFound"},
		{name: "bound to another Secret", objects: []client.Object{claim("True", "True", bindsTo("other")), whole, credentials("other")}, before: before, secret: "other"},
		{name: "bound to another Secret, which is not there yet", objects: []client.Object{claim("True", "True", bindsTo("other")), whole}, before: before,
			secret: "shop-db-binding", trouble: "DatabaseNotReady", parts: []string{`Secret "other"`}},
		{name: "bound to another database, which does not run yet", objects: []client.Object{claim("False", "True", bindsTo("other")), whole, credentials("other")}, before: before,
			secret: "shop-db-binding", trouble: "DatabaseNotReady", down: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := made("a", "blue", 0, binds("shop-db", ""))
			objects := append(slices.Clone(test.objects), testkit.MakeApplication("a"), version("v1", "True", "Processed"), env)
			layers, err := makeBed(objects...).Load(t.Context(), env, Known{Databases: test.before})
			reason, _ := told(err)
			if reason != test.want || (outcome.AsStall(err) != nil) != test.stuck {
				t.Fatalf("got %q (%v), want %q, stuck: %t", reason, err, test.want, test.stuck)
			}
			got := layers.Databases["shop-db"]
			if got.Secret != test.secret || got.Reason != test.trouble || (got.Trouble != "") != (test.trouble != "") {
				t.Errorf("the claim is %+v, want Secret %q and trouble %q", got, test.secret, test.trouble)
			}
			if test.down != got.DownSince.Equal(since.Time) || !test.down && !got.DownSince.IsZero() {
				t.Errorf("down since %v, want: %t", got.DownSince, test.down)
			}
			for _, part := range test.parts {
				if !strings.Contains(got.Trouble, part) {
					t.Errorf("%q does not say %s", got.Trouble, part)
				}
			}
			for _, value := range whole.Data {
				if strings.Contains(got.Trouble, string(value)) {
					t.Errorf("%q repeats a value of the Secret", got.Trouble)
				}
			}
		})
	}
}

// TestDatabasesAllAtOnce: every claim that is waited for is named, and those that are ready are known whatever else is wrong.
func TestDatabasesAllAtOnce(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, binds("none", ""), binds("shop-db", ""), binds("neither", ""), func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v9" })
	b := makeBed(testkit.MakeApplication("a"), version("v1", "True", "Processed"), claim("True", "True"), credentials("shop-db-binding"), env)
	layers, err := b.Load(t.Context(), env, Known{})
	if reason, _ := told(err); reason != "VersionNotFound" || layers.Databases["shop-db"].Secret == "" || layers.Databases["none"].Trouble == "" {
		t.Errorf("with another fault: %v, and %+v", err, layers.Databases)
	}
	env.Spec.VersionRef.Name = "v1"
	_, err = b.Load(t.Context(), env, Known{})
	if _, message := told(err); !strings.Contains(message, `"none"`) || !strings.Contains(message, `"neither"`) || strings.Contains(message, `"shop-db"`) {
		t.Errorf("told %q", message)
	}
}

// TestDatabaseDigest: by Manual too, the content of the Secret counts; what a container does not see does not. A Secret that was deleted
// leaves what was recorded.
func TestDatabaseDigest(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, binds("shop-db", ""), func(e *v1alpha1.Environment) { e.Spec.OnSecretChange = v1alpha1.SecretChangeManual })
	b := makeBed(testkit.MakeApplication("a"), version("v1", "True", "Processed"), claim("True", "True"), credentials("shop-db-binding"), env)
	known := Known{}
	load := func(what string, reads int) settings.Claim {
		t.Helper()
		b.reads = 0
		layers, err := b.Load(t.Context(), env, known)
		if err != nil || b.reads != reads {
			t.Fatalf("%s: %d reads, want %d (%v)", what, b.reads, reads, err)
		}
		cfg, _ := settings.Resolve(layers)
		known = Known{Inputs: cfg.Inputs, Databases: settings.DecodeBindings(settings.Bindings(cfg.Databases))}
		return layers.Databases["shop-db"]
	}
	change := func(key, value string) {
		t.Helper()
		s := credentials("shop-db-binding")
		err := b.store.Get(t.Context(), client.ObjectKeyFromObject(s), s)
		s.Data[key] = []byte(value)
		if err := errors.Join(err, b.store.Update(t.Context(), s)); err != nil {
			t.Fatal(err)
		}
	}
	first := load("at first", 1)
	b.restart(b.Live)
	if again := load("after a restart", 0); again != first || first.Digest == "" || first.ResourceVersion == "" {
		t.Errorf("read %+v, then %+v", first, again)
	}
	env.Spec.OnSecretChange = v1alpha1.SecretChangeRollout
	if again := load("under another policy", 0); again != first {
		t.Errorf("another policy makes %+v of %+v", again, first)
	}
	change("provider", "other")
	other := load("after what nobody sees", 1)
	if other.Digest != first.Digest || other.ResourceVersion == first.ResourceVersion {
		t.Errorf("a key that nobody sees makes %+v of %+v", other, first)
	}
	change("password", "other")
	rotated := load("after another password", 1)
	if rotated.Digest == first.Digest {
		t.Error("another password has the same digest")
	}
	if err := b.store.Delete(t.Context(), credentials("shop-db-binding")); err != nil {
		t.Fatal(err)
	}
	b.restart(b.Live)
	if gone := load("after its end", 0); gone.Digest != rotated.Digest || gone.ResourceVersion != rotated.ResourceVersion || gone.Trouble == "" {
		t.Errorf("the end of the Secret makes %+v of %+v", gone, rotated)
	}
}

// TestMountedDigest: all keys of a Secret that is mounted count.
func TestMountedDigest(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, binds("shop-db", "/bindings/shop-db"))
	digest := func(s *corev1.Secret) string {
		t.Helper()
		layers, err := makeBed(testkit.MakeApplication("a"), version("v1", "True", "Processed"), claim("True", "True"), s, env).Load(t.Context(), env, Known{})
		if err != nil {
			t.Fatal(err)
		}
		return layers.Databases["shop-db"].Digest
	}
	if digest(credentials("shop-db-binding")) == digest(credentials("shop-db-binding", "uri")) {
		t.Error("a file less has the same digest")
	}
}

func TestDatabaseNames(t *testing.T) {
	t.Parallel()
	env := made("a", "blue", 0, binds("one", ""), binds("two", ""), binds("one", "/x"))
	if got := DatabaseNames(env); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("claims are %q", got)
	}
	env.Status.Databases = []v1alpha1.BoundDatabase{{Claim: "one", SecretRef: &v1alpha1.LocalReference{Name: "s"}}, {Claim: "two"}}
	if got := SecretNames(env); !slices.Equal(got, []string{"s"}) {
		t.Errorf("Secrets are %q", got)
	}
}
