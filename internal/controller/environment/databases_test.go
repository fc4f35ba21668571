// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// canary must be nowhere but in the Secret.
const canary = "yellow-canary-password"

// binds makes an environment bind claims.
func binds(claims ...string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Databases = nil
		for i, name := range claims {
			prefix := ""
			if i > 0 {
				prefix = "SECOND"
			}
			e.Spec.Databases = append(e.Spec.Databases, v1alpha1.DatabaseBinding{ClaimRef: v1alpha1.LocalReference{Name: name}, VariablePrefix: prefix})
		}
	}
}

// claim makes a DatabaseClaim, or gives it another status: whether its database runs and whether its credentials are there.
func (w *world) claim(ctx context.Context, name, runs, published, message string) {
	GinkgoHelper()
	c := &v1alpha1.DatabaseClaim{}
	if client.IgnoreNotFound(bench.Live.Get(ctx, w.key(name), c)) == nil && c.UID == "" {
		c = &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
		c.Spec.ClassRef = &v1alpha1.DatabaseClassReference{Name: "postgres"}
		c.Spec.Engine.Name = "postgres"
		c.Spec.CoupledTo = &v1alpha1.DatabaseCoupling{EnvironmentRef: v1alpha1.LocalReference{Name: "blue"}}
		w.create(ctx, c)
	}
	c.Status.Conditions = nil
	for kind, status := range map[string]string{v1alpha1.ConditionProvisioned: runs, v1alpha1.ConditionCredentialsPublished: published, v1alpha1.ConditionReady: runs} {
		c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionStatus(status), Reason: "Because", Message: message, LastTransitionTime: metav1.NewTime(w.clock.Now()),
		})
	}
	c.Status.Binding = &v1alpha1.ServiceBinding{Name: name + "-binding"}
	Expect(bench.Client.Status().Update(ctx, c)).To(Succeed())
}

// credentials makes the Secret of a claim, or gives it another password; it returns its version.
func (w *world) credentials(ctx context.Context, claim, password string) string {
	GinkgoHelper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: claim + "-binding"}}
	found := bench.Live.Get(ctx, client.ObjectKeyFromObject(s), s) == nil
	s.Data = map[string][]byte{"host": []byte("db"), "port": []byte("5432"), "database": []byte("ebdb"), "username": []byte("ebroot"), "password": []byte(password)}
	if !found {
		w.create(ctx, s)
	} else {
		Expect(bench.Client.Update(ctx, s)).To(Succeed())
	}
	w.seen(ctx, s)
	return s.ResourceVersion
}

// seen waits until the cache of metadata has a Secret as it is, or knows that it is gone.
func (w *world) seen(ctx context.Context, s *corev1.Secret) {
	GinkgoHelper()
	Eventually(func() string {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		if bench.Client.Get(ctx, client.ObjectKeyFromObject(s), meta) != nil {
			return ""
		}
		return meta.ResourceVersion
	}).WithContext(ctx).Should(Equal(s.ResourceVersion))
}

// drop deletes an object of the environment's namespace.
func (w *world) drop(ctx context.Context, o client.Object, name string) {
	GinkgoHelper()
	o.SetNamespace(w.namespace)
	o.SetName(name)
	Expect(bench.Client.Delete(ctx, o)).To(Succeed())
	if s, ok := o.(*corev1.Secret); ok {
		w.seen(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}})
	}
}

// forget loses the status, and everything that the operator remembers: a namespace that was restored from a backup.
func (w *world) forget(ctx context.Context) {
	GinkgoHelper()
	env := w.environment(ctx)
	deployed := env.Status.DeployedVersion
	env.Status = v1alpha1.EnvironmentStatus{DeployedVersion: deployed}
	Expect(bench.Client.Status().Update(ctx, env)).To(Succeed())
	w.restart()
}

// bound is an environment that runs v1 with the database shop-db.
func (w *world) bound(ctx context.Context, tweaks ...func(*v1alpha1.Environment)) {
	GinkgoHelper()
	w.claim(ctx, "shop-db", "True", "True", "The database runs.")
	w.credentials(ctx, "shop-db", canary)
	w.launched(ctx, append([]func(*v1alpha1.Environment){binds("shop-db")}, tweaks...)...)
}

// uses says which Secret the instances get the password of a database from.
func (w *world) uses(ctx context.Context, variable string) string {
	GinkgoHelper()
	for _, v := range w.deployment(ctx).Spec.Template.Spec.Containers[0].Env {
		if v.Name == variable {
			return v.ValueFrom.SecretKeyRef.Name
		}
	}
	return ""
}

// deploys runs another version to its end.
func (w *world) deploys(ctx context.Context, version string) {
	GinkgoHelper()
	w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = version })
	w.mustPass(ctx)
	Expect(w.deployment(ctx).Spec.Template.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationVersion, version))
	Expect(w.uses(ctx, "RDS_PASSWORD")).To(Equal("shop-db-binding"))
	w.later(time.Second)
	w.rollout(ctx, 2, "NewReplicaSetAvailable")
	w.mustPass(ctx)
	Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
	Expect(w.environment(ctx).Status.DeployedVersion.Name).To(Equal(version))
}

var _ = Describe("Databases", func() {
	It("hold the first launch until they are ready, and say why", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, w.web(binds("shop-db")))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(And(HavePrefix("False DatabaseNotFound"), ContainSubstring(`DatabaseClaim "shop-db"`), ContainSubstring("create it")))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("False DatabaseNotFound"))
		Expect(w.shows(ctx, v1alpha1.ConditionDatabaseReady)).To(HavePrefix("False DatabaseNotFound"))
		Expect(w.told()).To(And(ContainSubstring("DatabaseNotFound"), Not(MatchRegexp("(?s)DatabaseNotFound.*DatabaseNotFound"))), "one event is enough")

		w.claim(ctx, "shop-db", "False", "False", "The pod is pending.")
		w.mustPass(ctx)
		w.later(2 * time.Second)
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix("Unknown DatabaseNotReady"), ContainSubstring("The pod is pending")))
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(BeEmpty())
		Expect(bench.Live.Get(ctx, w.key("blue-a"), w.emptyDeployment())).NotTo(Succeed())
		Expect(w.environment(ctx).Status.Databases).To(BeEmpty())

		version := w.credentials(ctx, "shop-db", canary)
		w.claim(ctx, "shop-db", "True", "True", "The database runs.")
		w.later(2 * time.Second)
		w.mustPass(ctx)
		Expect(w.uses(ctx, "RDS_PASSWORD")).To(Equal("shop-db-binding"))
		w.later(2 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Databases).To(Equal([]v1alpha1.BoundDatabase{{Claim: "shop-db", SecretRef: &v1alpha1.LocalReference{Name: "shop-db-binding"}}}))
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		env := w.environment(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.shows(ctx, v1alpha1.ConditionDatabaseReady)).To(HavePrefix("True Bound"))
		Expect(w.shows(ctx, v1alpha1.ConditionFieldsSupported)).To(HavePrefix("True AllSupported"))
		Expect(env.Status.Databases[0].SecretResourceVersion).To(Equal(version))
		events := w.told()
		Expect(events).To(ContainSubstring("Bound"))
		for _, o := range []any{env, w.deployment(ctx), events} {
			text, err := json.Marshal(o)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).NotTo(ContainSubstring(canary))
		}
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	})

	It("that lose their claim, and their Secret, disturb nothing and hold up no version", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx)
		w.claim(ctx, "shop-db", "False", "True", "The volume is full.")
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionDatabaseReady)).To(And(HavePrefix("False DatabaseNotReady"), ContainSubstring("The volume is full"), ContainSubstring("shop-db-binding")))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.told()).To(ContainSubstring("Warning DatabaseNotReady"))
		w.deploys(ctx, "v2")

		w.drop(ctx, &v1alpha1.DatabaseClaim{}, "shop-db")
		w.forget(ctx)
		w.told()
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionDatabaseReady)).To(And(HavePrefix("False DatabaseNotFound"), ContainSubstring("spec.adopt")))
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(HavePrefix("True"))
		Expect(w.told()).To(ContainSubstring("Warning DatabaseNotFound"))
		w.deploys(ctx, "v3")

		w.drop(ctx, &corev1.Secret{}, "shop-db-binding")
		w.restart()
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		w.deploys(ctx, "v1")

		w.claim(ctx, "shop-db", "True", "True", "The database runs.")
		w.credentials(ctx, "shop-db", canary)
		_, writes = w.mustPass(ctx)
		Expect(writes).To(ConsistOf("PATCH deployments/blue-a", "POST controllerrevisions"), "another Secret has another key, so that nobody can tell that the password is the same")
		w.later(5 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Deployment.Type).To(Equal(v1alpha1.DeploymentConfiguration))
		Expect(w.shows(ctx, v1alpha1.ConditionDatabaseReady)).To(HavePrefix("True Bound"))
	})

	It("whose password changes reach every instance, whatever onSecretChange says", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx, func(e *v1alpha1.Environment) { e.Spec.OnSecretChange = v1alpha1.SecretChangeManual })
		was := w.environment(ctx).Status.Databases[0].SecretResourceVersion
		Expect(was).NotTo(BeEmpty())
		is := w.credentials(ctx, "shop-db", "another")
		w.mustPass(ctx)
		runs := func() string {
			w.later(5 * time.Second)
			w.mustPass(ctx)
			return w.environment(ctx).Status.Databases[0].SecretResourceVersion
		}
		Expect(runs()).To(Equal(was))
		Expect(w.environment(ctx).Status.Deployment.Type).To(Equal(v1alpha1.DeploymentConfiguration))
		w.rollout(ctx, 1, "ReplicaSetUpdated")
		Expect(runs()).To(Equal(was))

		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		old := w.deployment(ctx)
		old.Spec.Template.Annotations[v1alpha1.AnnotationRevision] = "older"
		left := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "left", Labels: old.Spec.Template.Labels, Annotations: old.Spec.Template.Annotations}, Spec: old.Spec.Template.Spec}
		w.create(ctx, left)
		Expect(runs()).To(Equal(was), "an instance that finishes its requests has the old password")
		Expect(bench.Client.Delete(ctx, left, client.GracePeriodSeconds(0))).To(Succeed())
		Expect(runs()).To(Equal(is))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
	})

	It("may change in any other way, and nothing is written", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx)
		before := w.deployment(ctx)
		for _, edit := range []func(*v1alpha1.DatabaseClaim){
			func(c *v1alpha1.DatabaseClaim) { c.Spec.CoupledTo = nil },
			func(c *v1alpha1.DatabaseClaim) {
				no := false
				c.Spec.DeletionPolicy, c.Spec.DeletionProtection = v1alpha1.DatabaseSnapshot, &no
			},
			func(c *v1alpha1.DatabaseClaim) { c.Labels = map[string]string{"team": "shop"} },
			func(c *v1alpha1.DatabaseClaim) { c.Spec.Storage, c.Spec.InstanceClass = "20Gi", "large" },
		} {
			c := &v1alpha1.DatabaseClaim{}
			Expect(bench.Live.Get(ctx, w.key("shop-db"), c)).To(Succeed())
			edit(c)
			Expect(bench.Client.Update(ctx, c)).To(Succeed())
			c.Status.UsedBy = append(c.Status.UsedBy, v1alpha1.DatabaseUse{Environment: "blue" + c.ResourceVersion})
			c.Status.Endpoint = &v1alpha1.DatabaseEndpoint{Host: "db" + c.ResourceVersion, Port: 5432}
			Expect(bench.Client.Status().Update(ctx, c)).To(Succeed())
			_, writes := w.mustPass(ctx)
			Expect(writes).To(BeEmpty())
			w.restart()
			_, writes = w.mustPass(ctx)
			Expect(writes).To(BeEmpty())
		}
		Expect(w.deployment(ctx).ResourceVersion).To(Equal(before.ResourceVersion))
		Expect(w.told()).To(BeEmpty())
	})

	It("that are added wait until they are ready, and those that are taken away are named until no instance knows them", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx)
		before := w.deployment(ctx)
		w.claim(ctx, "reports", "False", "False", "The pod is pending.")
		w.change(ctx, binds("shop-db", "reports"))
		w.mustPass(ctx)
		w.later(2 * time.Second)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(And(HavePrefix("False DatabaseNotReady"), ContainSubstring(`"reports"`)))
		Expect(w.shows(ctx, v1alpha1.ConditionAvailable)).To(HavePrefix("True"))
		Expect(w.deployment(ctx).ResourceVersion).To(Equal(before.ResourceVersion))

		w.credentials(ctx, "reports", canary)
		w.claim(ctx, "reports", "True", "True", "The database runs.")
		w.mustPass(ctx)
		Expect(w.uses(ctx, "SECOND_PASSWORD")).To(Equal("reports-binding"))
		w.later(5 * time.Second)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Databases).To(And(HaveLen(2), HaveEach(HaveField("SecretResourceVersion", Not(BeEmpty())))))

		w.change(ctx, binds("shop-db"))
		w.mustPass(ctx)
		w.later(5 * time.Second)
		w.mustPass(ctx)
		Expect(w.uses(ctx, "SECOND_PASSWORD")).To(BeEmpty())
		Expect(w.environment(ctx).Status.Databases).To(HaveLen(2))
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Databases).To(And(HaveLen(1), HaveEach(HaveField("Claim", "shop-db"))))
	})

	It("are not touched by a rebuild, which does not wait for them", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx)
		w.claim(ctx, "shop-db", "False", "False", "The volume is full.")
		claim, secret := &v1alpha1.DatabaseClaim{}, &corev1.Secret{}
		Expect(bench.Live.Get(ctx, w.key("shop-db"), claim)).To(Succeed())
		Expect(bench.Live.Get(ctx, w.key("shop-db-binding"), secret)).To(Succeed())
		was := w.deployment(ctx).UID
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Annotations = map[string]string{v1alpha1.AnnotationRebuildRequested: "again"}
		})
		_, writes := w.mustPass(ctx)
		Expect(writes).To(ContainElement("DELETE deployments/blue-a"))
		for range 5 {
			w.later(2 * time.Second)
			w.clearForeground(ctx)
			w.mustPass(ctx)
		}
		Expect(w.deployment(ctx).UID).NotTo(Equal(was))
		Expect(w.uses(ctx, "RDS_PASSWORD")).To(Equal("shop-db-binding"))
		for name, old := range map[string]client.Object{"shop-db": claim, "shop-db-binding": secret} {
			now := old.DeepCopyObject().(client.Object)
			Expect(bench.Live.Get(ctx, w.key(name), now)).To(Succeed())
			Expect(now.GetResourceVersion()).To(Equal(old.GetResourceVersion()))
			Expect(now.GetOwnerReferences()).To(BeEmpty())
		}
	})

	It("that do not run for a minute are a cause, and no more than a warning", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx)
		w.later(10 * time.Minute) // no instance is new any more
		w.claim(ctx, "shop-db", "False", "True", "The volume is full.")
		after, _ := w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthOk))
		Expect(after).To(And(BeNumerically(">", 50*time.Second), BeNumerically("<=", time.Minute)))
		w.later(61 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthWarning))
		Expect(w.environment(ctx).Status.Health.Causes[0].Code).To(Equal("DatabaseUnreachable"))
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Health = &v1alpha1.HealthSettings{Databases: v1alpha1.DatabaseHealthIgnore}
		})
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthOk))
	})

	It("that a probe cannot reach are a cause, restart nothing, and leave the environment green", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.bound(ctx)
		w.later(10 * time.Minute)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthOk))
		before := w.deployment(ctx).ResourceVersion
		claim := &v1alpha1.DatabaseClaim{}
		Expect(bench.Live.Get(ctx, w.key("shop-db"), claim)).To(Succeed())
		claim.Status.Conditions = append(claim.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionReachable, Status: "False", Reason: "LoginRefused", Message: "It refuses app. Correct the password.", LastTransitionTime: metav1.NewTime(w.clock.Now()),
		})
		Expect(bench.Client.Status().Update(ctx, claim)).To(Succeed())
		w.mustPass(ctx)
		env := w.environment(ctx)
		Expect(env.Status.Health.Status).To(Equal(v1alpha1.HealthInfo))
		Expect(env.Status.Health.Color).To(Equal(v1alpha1.ColorGreen))
		Expect(env.Status.Health.Causes).To(HaveLen(1))
		Expect(env.Status.Health.Causes[0].Message).To(Equal("Database shop-db: a probe from inside the cluster cannot use it. It refuses app. Correct the password."))
		Expect(condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionDatabaseReady)).To(BeTrue())
		Expect(condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		Expect(w.deployment(ctx).ResourceVersion).To(Equal(before))
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Health = &v1alpha1.HealthSettings{Databases: v1alpha1.DatabaseHealthDegrade}
		})
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthDegraded))
	})

	It("wake those that name them, and nobody else", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.claim(ctx, "shop-db", "True", "True", "")
		w.create(ctx, w.web(binds("shop-db")), w.web(func(e *v1alpha1.Environment) { e.Name = "green" }))
		r := New(Dependencies{Client: bench.Client, Live: bench.Live, Now: w.clock.Now})
		woken := func(name string) []string {
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name + "-binding"}}
			r.wakeBound().Create(ctx, event.CreateEvent{Object: secret}, q)
			claim := &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
			r.wake(indexDatabase).Create(ctx, event.CreateEvent{Object: claim}, q)
			var out []string
			for q.Len() > 0 {
				item, _ := q.Get()
				q.Done(item)
				out = append(out, item.Name)
			}
			return out
		}
		Eventually(func() []string { return woken("shop-db") }).WithContext(ctx).Should(Equal([]string{"blue"}))
		Expect(woken("other")).To(BeEmpty())

		old := &v1alpha1.DatabaseClaim{}
		Expect(bench.Live.Get(ctx, w.key("shop-db"), old)).To(Succeed())
		passes := func(edit func(*v1alpha1.DatabaseClaim)) bool {
			changed := old.DeepCopy()
			edit(changed)
			return claimTurned().Update(event.UpdateEvent{ObjectOld: old, ObjectNew: changed})
		}
		Expect(passes(func(c *v1alpha1.DatabaseClaim) { c.Spec.CoupledTo = nil })).To(BeFalse())
		Expect(passes(func(c *v1alpha1.DatabaseClaim) { c.Status.UsedBy = []v1alpha1.DatabaseUse{{Environment: "blue"}} })).To(BeFalse())
		Expect(passes(func(c *v1alpha1.DatabaseClaim) { c.Status.Binding = nil })).To(BeTrue())
		Expect(passes(func(c *v1alpha1.DatabaseClaim) { c.Status.Conditions[0].Message = "other" })).To(BeTrue())
	})
})

// clearForeground plays the garbage collector: what waits for its dependents goes.
func (w *world) clearForeground(ctx context.Context) {
	GinkgoHelper()
	var list appsv1.DeploymentList
	Expect(bench.Live.List(ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
	for i := range list.Items {
		d := &list.Items[i]
		if d.DeletionTimestamp != nil {
			d.Finalizers = nil
			Expect(client.IgnoreNotFound(bench.Client.Update(ctx, d))).To(Succeed())
		}
	}
	var pods corev1.PodList
	Expect(bench.Live.List(ctx, &pods, client.InNamespace(w.namespace))).To(Succeed())
	for i := range pods.Items {
		Expect(client.IgnoreNotFound(bench.Client.Delete(ctx, &pods.Items[i], client.GracePeriodSeconds(0)))).To(Succeed())
	}
}
