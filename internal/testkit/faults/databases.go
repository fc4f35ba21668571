// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// The database of the stories, and the Secret with its credentials.
const (
	database    = "shop-db"
	credentials = "shop-db-binding"
)

// provide plays the controller of DatabaseClaims: the database runs, and its credentials are there.
func provide(r *run) {
	ctx := context.Background()
	claim := &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: database}}
	claim.Spec.Engine.Name = "postgres"
	r.must(r.user.Create(ctx, claim))
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: credentials}, Data: map[string][]byte{}}
	for _, key := range []string{"host", "port", "database", "username", "password"} {
		secret.Data[key] = []byte(canary)
	}
	r.must(r.user.Create(ctx, secret))
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionProvisioned, v1alpha1.ConditionCredentialsPublished} {
		claim.Status.Conditions = append(claim.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, LastTransitionTime: metav1.NewTime(r.Store.Now()),
		})
	}
	claim.Status.Binding = &v1alpha1.ServiceBinding{Name: credentials}
	r.must(r.user.Status().Update(ctx, claim))
}

// rotate changes the password.
func rotate(r *run) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: credentials}}
	r.must(r.user.Get(context.Background(), client.ObjectKeyFromObject(secret), secret))
	secret.Data["password"] = []byte(canary + "-2")
	r.must(r.user.Update(context.Background(), secret))
}

// vanish ends the claim behind the environment's back.
func vanish(r *run) {
	r.must(r.user.Delete(context.Background(), &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: database}}))
}

// vanishWhole takes the credentials too.
func vanishWhole(r *run) {
	vanish(r)
	r.must(r.user.Delete(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: credentials}}))
}

// announced: status says that every instance has the newest version of the Secret, so that the old password can end.
func announced(r *run) bool {
	env := r.env()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: credentials}}
	if env == nil || r.user.Get(context.Background(), client.ObjectKeyFromObject(secret), secret) != nil {
		return false
	}
	list := env.Status.Databases
	return len(list) == 1 && list[0].SecretResourceVersion == secret.ResourceVersion
}

func databases() []*Scenario {
	binds := func(p v1alpha1.DeploymentPolicy) func(*v1alpha1.Environment) {
		return func(e *v1alpha1.Environment) {
			with(p, 2, false, "")(e)
			e.Spec.Databases = []v1alpha1.DatabaseBinding{{ClaimRef: v1alpha1.LocalReference{Name: database}}}
		}
	}
	last := Step{When: announced, Do: func(*run) {}}
	// A database that is gone never keeps a version from being deployed.
	arrives := Step{When: deployed("v2"), Do: func(*run) {}}
	launch := &Scenario{Name: "database/launch", Fresh: true, Env: binds(v1alpha1.PolicyRolling)}
	launch.Steps = []Step{
		{Do: func(r *run) { r.must(r.user.Create(context.Background(), launch.environment())) }},
		{When: func(r *run) bool { return r.env() != nil && reasonOf(r.env(), v1alpha1.ConditionDatabaseReady) != "" }, Do: provide},
		last,
	}
	out := []*Scenario{launch}
	for _, p := range []v1alpha1.DeploymentPolicy{v1alpha1.PolicyRolling, v1alpha1.PolicyImmutable} {
		rotates := scenario("database-rotates/"+string(p), p, 2, false, "", Step{Do: rotate}, last)
		gone := scenario("database-gone/"+string(p), p, 2, false, "", Step{Do: vanish}, after(settled, to("v2")), arrives)
		lost := scenario("database-and-secret-gone/"+string(p), p, 2, false, "", Step{Do: vanishWhole}, after(settled, to("v2")), arrives)
		for _, s := range []*Scenario{rotates, gone, lost} {
			s.Env, s.Before = binds(p), provide
		}
		out = append(out, rotates, gone, lost)
	}
	return out
}

// databases checks that nobody hears of a new password everywhere while an instance has the old one.
func (c *checker) databases(change simapi.Change, was, is *v1alpha1.Environment) {
	versions := map[string]string{}
	for _, b := range was.Status.Databases {
		versions[b.Claim] = b.SecretResourceVersion
	}
	for _, b := range is.Status.Databases {
		if b.SecretResourceVersion == versions[b.Claim] {
			continue
		}
		revisions := map[string]bool{}
		for _, pod := range c.pods {
			revisions[pod.Annotations[v1alpha1.AnnotationRevision]] = true
		}
		if len(revisions) != 1 {
			c.problem(change, "D1: all instances are said to have version %s of the Secret of %s, and there are instances of %d revisions", b.SecretResourceVersion, b.Claim, len(revisions))
		}
	}
}
