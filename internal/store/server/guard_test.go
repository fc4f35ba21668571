// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/store"
	"github.com/beanpod-dev/beanpod/internal/store/server"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// desk is a guard on a real API server, and what makes the tokens that it judges.
type desk struct {
	*testing.T
	client.Client
	guard *server.Kubernetes
	clock time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	c, err := client.New(testkit.StartAPIServer(t), client.Options{Scheme: testkit.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{T: t, Client: c, clock: time.Now()}
	d.guard = &server.Kubernetes{Client: c, Live: c, Now: func() time.Time { return d.clock }}
	for _, ns := range []string{"shop", "evil"} {
		d.make(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: ns}})
	}
	return d
}

func (d *desk) make(objects ...client.Object) {
	d.Helper()
	for _, o := range objects {
		if err := d.Create(d.Context(), o); err != nil {
			d.Fatal(err)
		}
	}
}

func (d *desk) pod(ns, name string, labels, annotations map[string]string) *corev1.Pod {
	d.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels, Annotations: annotations},
		Spec: corev1.PodSpec{
			ServiceAccountName: "app", AutomountServiceAccountToken: ptr.To(false), Containers: []corev1.Container{{Name: "c", Image: "x"}},
		},
	}
	d.make(p)
	return p
}

// token is one as the kubelet projects it; without a pod it is bound to none.
func (d *desk) token(ns string, pod *corev1.Pod, audiences ...string) string {
	d.Helper()
	r := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: ptr.To[int64](600)}}
	if pod != nil {
		r.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: ns}}
	if err := d.SubResource("token").Create(d.Context(), account, r); err != nil {
		d.Fatal(err)
	}
	return r.Status.Token
}

// decides demands an answer: 200, or the status of a refusal.
func (d *desk) decides(token string, a server.Access, want int) error {
	_, err := d.guard.Allow(d.Context(), token, a)
	got := http.StatusOK
	var refusal *server.Refusal
	if errors.As(err, &refusal) {
		got = refusal.Status
	} else if err != nil {
		return fmt.Errorf("it could not decide: %w", err)
	}
	if got != want {
		return fmt.Errorf("%d (%w), want %d", got, err, want)
	}
	return nil
}

func object(ns string, kind store.Kind, name string) server.Access {
	return server.Access{Key: store.Key{Namespace: ns, Kind: kind, Name: name}}
}

func writing(a server.Access) server.Access {
	a.Write = true
	return a
}

func TestGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mine, others := strings.Repeat("a", 64), strings.Repeat("b", 64)
	names := map[string]string{v1alpha1.AnnotationArtifact: "sha256:" + mine}
	web := d.pod("shop", "web", nil, names)
	build := d.pod("shop", "build", map[string]string{v1alpha1.LabelBuild: "v1"}, map[string]string{v1alpha1.AnnotationUpload: "up"})
	stranger := d.pod("evil", "web", map[string]string{v1alpha1.LabelBuild: "v1"}, names)

	const ours = v1alpha1.StoreAudience
	instance, builder, elsewhere := d.token("shop", web, ours), d.token("shop", build, ours), d.token("evil", stranger, ours)
	final, database := map[string]string{v1alpha1.AnnotationSnapshot: "final"}, map[string]string{v1alpha1.LabelDatabase: "shop-db"}
	dump, stray := d.token("shop", d.pod("shop", "dump", database, final), ours), d.token("shop", d.pod("shop", "stray", nil, final), ours)
	restore := d.token("shop", d.pod("shop", "restore", database, map[string]string{v1alpha1.AnnotationRestore: "final"}), ours)
	person, snapshot := d.token("shop", nil), object("shop", store.Snapshot, "final")
	artifact, upload := object("shop", store.Artifact, mine), object("shop", store.Upload, "up")
	for _, row := range []struct {
		name, token string
		access      server.Access
		want        int
	}{
		{"an instance reads its artifact", instance, artifact, 200},
		{"an instance reads another artifact", instance, object("shop", store.Artifact, others), 403},
		{"an instance writes", instance, writing(artifact), 403},
		{"an instance reads an upload", instance, upload, 403},
		{"an instance reads a sample", instance, server.Access{Sample: true}, 200},
		{"a build reads its upload", builder, upload, 200},
		{"a build reads another upload", builder, object("shop", store.Upload, "other"), 403},
		{"a build writes an artifact", builder, writing(artifact), 200},
		{"a build writes an upload", builder, writing(upload), 403},
		{"a build reads an artifact", builder, artifact, 403},
		{"a dump writes its snapshot", dump, writing(snapshot), 200},
		{"a dump writes another snapshot", dump, writing(object("shop", store.Snapshot, "other")), 403},
		{"a dump reads its snapshot", dump, snapshot, 403},
		{"a dump writes an upload of that name", dump, writing(object("shop", store.Upload, "final")), 403},
		{"a dump writes into another namespace", dump, writing(object("evil", store.Snapshot, "final")), 403},
		{"what belongs to no database writes a snapshot", stray, writing(snapshot), 403},
		{"a build writes a snapshot", builder, writing(snapshot), 403},
		{"a restore reads its snapshot", restore, snapshot, 200},
		{"a restore reads another snapshot", restore, object("shop", store.Snapshot, "other"), 403},
		{"a restore writes", restore, writing(snapshot), 403},
		{"an instance reads a snapshot", instance, snapshot, 403},
		{"a person reads a snapshot", person, snapshot, 403},
		{"a pod of another namespace reads", elsewhere, artifact, 403},
		{"a pod of another namespace writes", elsewhere, writing(artifact), 403},
		{"a token for the store that no pod has", d.token("shop", nil, ours), artifact, 403},
		{"a pod with its token for the API server", d.token("shop", web), artifact, 403},
		{"a pod with its token for the API server, an upload", d.token("shop", web), upload, 403},
		{"a token for somebody else", d.token("shop", web, "somebody.else"), artifact, 401},
		{"no token at all", "nonsense", artifact, 401},
		{"a person without the right", person, writing(upload), 403},
	} {
		if err := d.decides(row.token, row.access, row.want); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}

	d.make(
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "uploader"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"applicationversions"}, Verbs: []string{"create"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "uploader"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "uploader"},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "app", Namespace: "shop"}},
		})
	d.soon("a person with the right", person, writing(upload), 200)
	for name, a := range map[string]server.Access{
		"a person, in another namespace": writing(object("evil", store.Upload, "up")), "a person reads an artifact": artifact,
	} {
		if err := d.decides(person, a, 403); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// soon asks until the answer is right: the API server itself remembers for some seconds.
func (d *desk) soon(what, token string, a server.Access, want int) {
	d.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		d.clock = d.clock.Add(time.Minute) // nothing that the guard remembers counts
		if err = d.decides(token, a, want); err == nil {
			return
		}
	}
	d.Errorf("%s: %v", what, err)
}

// A token outlives its pod for a moment; a pod that takes the name is another one.
func TestGuardKnowsAPodFromItsSuccessor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mine, others := strings.Repeat("a", 64), strings.Repeat("b", 64)
	pod := d.pod("shop", "web", nil, map[string]string{v1alpha1.AnnotationArtifact: "sha256:" + mine})
	token := d.token("shop", pod, v1alpha1.StoreAudience)
	if err := d.decides(token, object("shop", store.Artifact, mine), 200); err != nil {
		t.Error(err)
	}
	if err := d.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	d.pod("shop", "web", nil, map[string]string{v1alpha1.AnnotationArtifact: "sha256:" + others})
	for _, name := range []string{mine, others} {
		if err := d.decides(token, object("shop", store.Artifact, name), 403); err != nil {
			t.Errorf("a moment after: %v", err)
		}
	}
	d.soon("later", token, object("shop", store.Artifact, others), 401)
}
