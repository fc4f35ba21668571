// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestStories share one operator and run side by side.
func TestStories(t *testing.T) {
	w := newWorld(t)
	startOperator(t, w.cluster.Operator)
	for name, story := range map[string]func(*world){
		"hand over":               handOver,
		"scale the environment":   scaleEnvironment,
		"capacity types":          capacityTypes,
		"missing references":      missingReferences,
		"missing application":     missingApplication,
		"version of another":      versionOfAnother,
		"failed versions":         failedVersions,
		"platform and branch":     platforms,
		"port clash":              portClash,
		"quota":                   quota,
		"name too long":           nameTooLong,
		"same host":               sameHost,
		"stranger":                stranger,
		"no gateway":              noGateway,
		"namespace deleted":       namespaceDeleted,
		"paused":                  paused,
		"termination protection":  protection,
		"restart and rebuild":     restartAndRebuild,
		"secret change":           secretChange,
		"immutable":               immutable,
		"deletion leaves nothing": deletion,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.private = true
			w.shop()
			story(w)
		})
	}
}

// running starts an environment and remembers its Deployment, of which a bad input may change nothing.
func (w *world) running(name string, tweaks ...func(*v1alpha1.Environment)) *appsv1.Deployment {
	w.t.Helper()
	w.create(w.web(name, tweaks...))
	w.ready(name)
	return w.deployment(name)
}

// refuses waits for a condition and asserts that its message names everything, that an event tells of it, and that Ready says the same.
func (w *world) refuses(name, kind, reason string, parts ...string) {
	w.t.Helper()
	w.Eventually(w.told(name, kind)).Should(HavePrefix("False " + reason))
	message := w.told(name, kind)()
	for _, part := range parts {
		w.Expect(message).To(ContainSubstring(part))
	}
	w.Expect(w.told(name, v1alpha1.ConditionReady)()).To(HavePrefix("False " + reason))
	w.Expect(w.told(name, v1alpha1.ConditionStalled)()).To(HavePrefix("True " + reason))
	w.Eventually(func() string { return oneLine(w.events(name)()) }).Should(ContainSubstring(reason + ": "))
}

// untouched asserts that nobody wrote to the spec of a Deployment.
func (w *world) untouched(was *appsv1.Deployment) {
	w.t.Helper()
	now := &appsv1.Deployment{}
	w.Expect(w.Get(w.ctx, client.ObjectKeyFromObject(was), now)).To(Succeed())
	w.Expect(now.UID).To(Equal(was.UID))
	w.Expect(now.Generation).To(Equal(was.Generation))
	w.Expect(now.Annotations).To(Equal(was.Annotations))
}

func property(name string, from v1alpha1.PropertySource) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.EnvironmentProperties = append(e.Spec.EnvironmentProperties, v1alpha1.EnvironmentProperty{Name: name, ValueFrom: &from})
	}
}

func (w *world) secret(name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, StringData: data}
}

func (w *world) config(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Data: data}
}

func missingReferences(w *world) {
	was := w.running("blue")
	const inputs = v1alpha1.ConditionInputsResolved

	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v9" })
	w.refuses("blue", inputs, "VersionNotFound", `"v9"`, "spec.versionRef", "create it")
	w.untouched(was)
	w.create(w.version("v9"))
	w.ready("blue")
	w.Expect(w.deployment("blue").Spec.Template.Spec.Containers[0].Image).To(Equal("shop:v9"))

	was = w.deployment("blue")
	w.change("blue", property("PASSWORD", v1alpha1.PropertySource{SecretKeyRef: &v1alpha1.KeyReference{Name: "db", Key: "password"}}))
	w.refuses("blue", inputs, "SecretNotFound", `Secret "db"`, "spec.environmentProperties[PASSWORD]", "create it")
	w.untouched(was)
	db := w.secret("db", map[string]string{"user": "shop"})
	w.create(db)
	w.refuses("blue", inputs, "SecretKeyNotFound", `key "password"`, `Secret "db"`, "add it")
	w.untouched(was)
	db.StringData = map[string]string{"password": "x"}
	w.Expect(w.Update(w.ctx, db)).To(Succeed())
	w.ready("blue")

	was = w.deployment("blue")
	w.change("blue", property("MODE", v1alpha1.PropertySource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "flags", Key: "mode"}}))
	w.refuses("blue", inputs, "ConfigMapNotFound", `ConfigMap "flags"`, "spec.environmentProperties[MODE]", "create it")
	w.untouched(was)
	flags := w.config("flags", map[string]string{"other": "x"})
	w.create(flags)
	w.refuses("blue", inputs, "ConfigMapKeyNotFound", `key "mode"`, `ConfigMap "flags"`, "add it")
	w.untouched(was)
	flags.Data["mode"] = "fast"
	w.Expect(w.Update(w.ctx, flags)).To(Succeed())
	w.ready("blue")
	w.Expect(w.deployment("blue").Spec.Template.Spec.Containers[0].Env).To(HaveLen(3))
}

func missingApplication(w *world) {
	w.create(w.web("blue", func(e *v1alpha1.Environment) { e.Spec.ApplicationRef.Name = "nowhere" }))
	w.refuses("blue", v1alpha1.ConditionInputsResolved, "ApplicationNotFound", `Application "nowhere"`, "spec.applicationRef", "create it")
	w.Expect(w.children("blue")).To(BeEmpty())
	w.create(
		testkit.MakeApplication(w.namespace, func(a *v1alpha1.Application) { a.Name = "nowhere" }),
		testkit.MakeVersion(w.namespace, "n1", "nowhere:1", func(v *v1alpha1.ApplicationVersion) {
			v.Spec.ApplicationRef.Name, v.Spec.Source.Image.PullPolicy = "nowhere", v1alpha1.PullNever
		}))
	w.refuses("blue", v1alpha1.ConditionInputsResolved, "VersionOfOtherApplication", `"v1"`, `"shop"`, `"nowhere"`, "name a version of")
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "n1" })
	w.ready("blue")
}

func versionOfAnother(w *world) {
	was := w.running("blue")
	w.create(testkit.MakeApplication(w.namespace, func(a *v1alpha1.Application) { a.Name = "other" }),
		testkit.MakeVersion(w.namespace, "o1", "other:1", func(v *v1alpha1.ApplicationVersion) {
			v.Spec.ApplicationRef.Name, v.Spec.Source.Image.PullPolicy = "other", v1alpha1.PullNever
		}))
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "o1" })
	w.refuses("blue", v1alpha1.ConditionInputsResolved, "VersionOfOtherApplication", `"o1"`, `"other"`, `"shop"`, "name a version")
	w.untouched(was)
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
	w.ready("blue")
}

func failedVersions(w *world) {
	was := w.running("blue")
	registry := testkit.StartRegistry()
	defer registry.Close()
	locked := testkit.StartRegistry()
	defer locked.Close()
	locked.Gate(testkit.Login("shop", "secret"))
	const inputs = v1alpha1.ConditionInputsResolved

	w.create(testkit.MakeVersion(w.namespace, "absent", registry.Host+"/shop:none"))
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "absent" })
	w.refuses("blue", inputs, "VersionFailed", `"absent"`, "shop:none", "Push the image")
	w.untouched(was)

	w.create(testkit.MakeVersion(w.namespace, "locked", locked.Host+"/shop:1"))
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "locked" })
	w.refuses("blue", inputs, "VersionFailed", `"locked"`, "does not let Beanpod read", "pullSecretRef")
	w.untouched(was)

	dead := testkit.StartRegistry()
	dead.Close()
	w.create(testkit.MakeVersion(w.namespace, "dead", dead.Host+"/shop:1"))
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "dead" })
	w.Eventually(w.told("blue", inputs)).Should(HavePrefix("False VersionNotReady"))
	w.Eventually(w.told("blue", v1alpha1.ConditionReady)).Should(HavePrefix("Unknown VersionNotReady"))
	w.untouched(was)

	// A registry that answers late: recovery comes by itself.
	registry.Gate(testkit.Sick(http.StatusServiceUnavailable))
	digest, err := registry.Push("shop:late")
	w.Expect(err).NotTo(HaveOccurred())
	w.create(testkit.MakeVersion(w.namespace, "late", registry.Host+"/shop:late"))
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "late" })
	w.Eventually(w.told("blue", inputs)).Should(HavePrefix("False VersionNotReady"))
	w.untouched(was)
	registry.Gate(nil)
	w.ready("blue")
	w.Expect(w.deployment("blue").Spec.Template.Spec.Containers[0].Image).To(Equal(registry.Host + "/shop@" + digest))
}

func platforms(w *world) {
	was := w.running("blue")
	name := w.namespace // Platforms have no namespace.
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: name} })
	w.refuses("blue", v1alpha1.ConditionInputsResolved, "PlatformNotFound", `Platform "`+name+`"`, "spec.platformRef", "kubectl get platforms")
	w.untouched(was)
	platform := &v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: name}}
	platform.Spec.Branches = []v1alpha1.PlatformBranch{{
		Name: "1.0", State: v1alpha1.PlatformSupported,
		Versions: []v1alpha1.PlatformVersion{{Version: "1.0.0", RunImage: "run:1"}},
	}}
	w.create(platform)
	w.t.Cleanup(func() { _ = w.Delete(w.ctx, platform) })
	w.ready("blue")
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.PlatformRef.Branch = "2.0" })
	w.refuses("blue", v1alpha1.ConditionInputsResolved, "BranchNotFound", `"2.0"`, name, "kubectl get platforms")
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.PlatformRef.Branch = "1.0" })
	w.ready("blue")
}

func portClash(w *world) {
	port, other := int32(8080), int32(8080)
	err := w.Create(w.ctx, w.web("clash", func(e *v1alpha1.Environment) {
		e.Spec.Processes = []v1alpha1.Process{{Name: "web", Port: &port}, {Name: "admin", Port: &other}}
	}))
	w.Expect(err).To(MatchError(ContainSubstring("two processes have the same port")))

	was := w.running("blue")
	w.change("blue", func(e *v1alpha1.Environment) {
		e.Spec.Processes = []v1alpha1.Process{{Name: "web"}, {Name: "admin", Port: &port}}
	})
	w.refuses("blue", v1alpha1.ConditionInputsResolved, "InvalidSettings", "spec.processes", `"web"`, `"admin"`, "8080", "another port")
	w.untouched(was)
	port = 9090
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.Processes[1].Port = &port })
	w.ready("blue")
}

func quota(w *world) {
	was := w.running("blue", fixed(2))
	limit := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "pods"}}
	limit.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}
	w.create(limit)
	w.Eventually(func() bool {
		w.Expect(w.Get(w.ctx, w.key("pods"), limit)).To(Succeed())
		used := limit.Status.Used[corev1.ResourcePods]
		return used.Value() == 2
	}).Should(BeTrue())
	pods := w.pods()
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
	w.refuses("blue", v1alpha1.ConditionApplied, "QuotaExceeded", "deployment 2", "up to 3 instances", "quota pods has room for 0 of pods", "Rolling")
	w.Expect(w.pods()).To(Equal(pods), "nothing has begun")
	w.untouched(was)
	w.Expect(w.told("blue", v1alpha1.ConditionAvailable)()).To(HavePrefix("True"))
	w.Expect(w.told("blue", v1alpha1.ConditionVersionDeployed)()).To(HavePrefix("False NotDeployed"))
	limit.Spec.Hard[corev1.ResourcePods] = resource.MustParse("10")
	w.Expect(w.Update(w.ctx, limit)).To(Succeed())
	w.Eventually(w.told("blue", v1alpha1.ConditionReady), 2*patience).Should(HavePrefix("True Ready"))
}

func (w *world) pods() []string {
	w.t.Helper()
	var list corev1.PodList
	w.Expect(w.List(w.ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
	var out []string
	for _, p := range list.Items {
		out = append(out, p.Name)
	}
	return out
}

func nameTooLong(w *world) {
	err := w.Create(w.ctx, w.web(strings.Repeat("a", 41)))
	w.Expect(err).To(MatchError(ContainSubstring("the name of an Environment has at most 40 lower-case letters, digits and hyphens")))
	w.create(w.web(strings.Repeat("a", 40)))
	w.ready(strings.Repeat("a", 40))
}

func sameHost(w *world) {
	w.private = false
	name := strings.ReplaceAll(w.namespace, "story", "host")
	w.running(name)
	time.Sleep(1100 * time.Millisecond) // creation times have whole seconds
	second := newWorld(w.t)
	second.shop()
	second.create(second.web(name))
	second.refuses(name, v1alpha1.ConditionInputsResolved, "HostConflict", w.namespace+"/"+name, name+"."+domain, "rename")
	second.Expect(second.children(name)).To(BeEmpty())
	w.Expect(w.Delete(w.ctx, w.environment(name))).To(Succeed())
	second.ready(name)
}

func noGateway(w *world) {
	w.private = false
	name := strings.ReplaceAll(w.namespace, "story", "gate")
	was := w.running(name)
	w.change(name, func(e *v1alpha1.Environment) { e.Spec.Routing = &v1alpha1.Routing{Type: v1alpha1.RoutingGateway} })
	w.refuses(name, v1alpha1.ConditionApplied, "GatewayAPINotInstalled", "HTTPRoute", "install the Gateway API", "spec.routing.type")
	w.untouched(was)
	w.change(name, func(e *v1alpha1.Environment) { e.Spec.Routing.Type = v1alpha1.RoutingIngress })
	w.ready(name)
}

func stranger(w *world) {
	mine := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "blue"}}
	mine.Spec.Ports = []corev1.ServicePort{{Port: 99}}
	w.create(mine)
	version := mine.ResourceVersion
	w.create(w.web("blue"))
	w.refuses("blue", v1alpha1.ConditionApplied, "NotOwned", "Service blue", "delete or rename it")
	w.Expect(w.children("blue")).To(BeEmpty())
	w.Expect(w.Get(w.ctx, w.key("blue"), mine)).To(Succeed())
	w.Expect(mine.ResourceVersion).To(Equal(version))
	w.Expect(w.Delete(w.ctx, mine)).To(Succeed())
	w.ready("blue")
}

func namespaceDeleted(w *world) {
	w.running("blue", fixed(2))
	m := w.mark()
	w.sweep()
	w.Eventually(func() bool {
		return client.IgnoreNotFound(w.Get(w.ctx, client.ObjectKey{Name: w.namespace}, &corev1.Namespace{})) == nil &&
			w.Get(w.ctx, client.ObjectKey{Name: w.namespace}, &corev1.Namespace{}) != nil
	}, 2*patience).Should(BeTrue(), "the namespace is gone")
	// Every child that goes wakes one pass, which is refused; a loop would be hundreds.
	list := w.since(m, w.namespace)
	w.Expect(testkit.Count(list).Writes).To(BeNumerically("<", 60), "no loop:%s", testkit.Tell(list))
	m = w.mark()
	time.Sleep(2 * time.Second)
	list = w.since(m, w.namespace)
	w.Expect(testkit.Count(list).Writes).To(BeZero(), "afterwards:%s", testkit.Tell(list))
}

func paused(w *world) {
	was := w.running("blue")
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.Paused, e.Spec.VersionRef.Name = true, "v2" })
	w.Eventually(w.told("blue", v1alpha1.ConditionReady)).Should(And(HavePrefix("False Paused"), ContainSubstring("Deployment blue-a"), ContainSubstring("spec.paused")))
	w.Eventually(func() string { return oneLine(w.events("blue")()) }).Should(ContainSubstring("Paused: "))
	w.untouched(was)
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.Paused = false })
	w.ready("blue")
	w.Expect(w.environment("blue").Status.DeployedVersion.Name).To(Equal("v2"))
}

func protection(w *world) {
	was := w.running("blue", func(e *v1alpha1.Environment) { e.Spec.TerminationProtection = true })
	w.Expect(w.Delete(w.ctx, w.environment("blue"))).To(Succeed())
	w.Eventually(w.told("blue", v1alpha1.ConditionTerminating)).Should(And(HavePrefix("True TerminationProtected"), ContainSubstring("set it to false")))
	w.Eventually(func() string { return oneLine(w.events("blue")()) }).Should(ContainSubstring("TerminationProtected: "))
	w.untouched(was)
	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.TerminationProtection = false })
	w.gone("blue", was)
}

// gone waits until the environment and everything that was made for it have left.
func (w *world) gone(name string, was *appsv1.Deployment) {
	w.t.Helper()
	w.Eventually(func() error { return w.Get(w.ctx, w.key(name), &v1alpha1.Environment{}) }).ShouldNot(Succeed())
	w.Eventually(func() []string {
		var out []string
		for _, list := range []client.ObjectList{&corev1.PodList{}, &appsv1.ReplicaSetList{}, &appsv1.DeploymentList{}, &corev1.ServiceList{}} {
			w.Expect(w.List(w.ctx, list, client.InNamespace(w.namespace))).To(Succeed())
			switch l := list.(type) {
			case *corev1.PodList:
				for _, o := range l.Items {
					out = append(out, "Pod "+o.Name)
				}
			case *appsv1.ReplicaSetList:
				for _, o := range l.Items {
					out = append(out, "ReplicaSet "+o.Name)
				}
			case *appsv1.DeploymentList:
				for _, o := range l.Items {
					out = append(out, "Deployment "+o.Name)
				}
			case *corev1.ServiceList:
				for _, o := range l.Items {
					out = append(out, "Service "+o.Name)
				}
			}
		}
		return out
	}).Should(BeEmpty(), "children of %s", was.Name)
}

func restartAndRebuild(w *world) {
	was := w.running("blue", fixed(2))
	old := w.pods()
	w.annotate("blue", v1alpha1.AnnotationRestartRequested, "one")
	w.Eventually(func() bool {
		ops := w.environment("blue").Status.Operations
		return ops != nil && ops.Restart != nil && ops.Restart.Token == "one" && ops.Restart.Completed
	}).Should(BeTrue())
	w.ready("blue")
	w.Expect(w.environment("blue").Status.Deployment.Type).To(Equal(v1alpha1.DeploymentRestart))
	for _, pod := range w.pods() {
		w.Expect(old).NotTo(ContainElement(pod))
	}
	w.Expect(w.deployment("blue").UID).To(Equal(was.UID))

	w.annotate("blue", v1alpha1.AnnotationRebuildRequested, "two")
	w.Eventually(func() bool {
		ops := w.environment("blue").Status.Operations
		return ops != nil && ops.Rebuild != nil && ops.Rebuild.Token == "two" && ops.Rebuild.Completed
	}).Should(BeTrue())
	w.ready("blue")
	w.Expect(w.deployment("blue").UID).NotTo(Equal(was.UID))
	w.Expect(w.environment("blue").Status.Deployment.Type).To(Equal(v1alpha1.DeploymentRebuild))
}

func (w *world) annotate(name, key, value string) {
	w.t.Helper()
	w.change(name, func(e *v1alpha1.Environment) {
		if e.Annotations == nil {
			e.Annotations = map[string]string{}
		}
		e.Annotations[key] = value
	})
}

func secretChange(w *world) {
	db := w.secret("db", map[string]string{"password": "one"})
	w.create(db)
	use := property("PASSWORD", v1alpha1.PropertySource{SecretKeyRef: &v1alpha1.KeyReference{Name: "db", Key: "password"}})
	w.running("manual", use)
	w.running("rollout", use, func(e *v1alpha1.Environment) { e.Spec.OnSecretChange = v1alpha1.SecretChangeRollout })
	manual, rollout := w.deployment("manual").Spec.Template, w.deployment("rollout").Generation
	db.StringData = map[string]string{"password": "two"}
	w.Expect(w.Update(w.ctx, db)).To(Succeed())
	w.Eventually(func() int64 { return w.deployment("rollout").Generation }).Should(BeNumerically(">", rollout))
	w.Eventually(func() v1alpha1.DeploymentType { return w.environment("rollout").Status.Deployment.Type }).Should(Equal(v1alpha1.DeploymentConfiguration))
	w.ready("rollout")
	w.ready("manual")
	w.Expect(w.deployment("manual").Spec.Template).To(Equal(manual), "no instance of the manual one restarts")
}

// immutable moves the whole environment, with its autoscaler, from one slot to the other.
func immutable(w *world) {
	was := w.running("blue", scaled(2, 4))
	hold := int32(3)
	w.change("blue", func(e *v1alpha1.Environment) {
		e.Spec.Deployment.Version.Policy, e.Spec.Deployment.Version.HoldSeconds = v1alpha1.PolicyImmutable, &hold
		e.Spec.VersionRef.Name = "v2"
	})
	slot := func() string {
		service := &corev1.Service{}
		w.Expect(w.Get(w.ctx, w.key("blue"), service)).To(Succeed())
		return service.Spec.Selector[v1alpha1.LabelSlot]
	}
	w.Eventually(func() int32 {
		if d := w.environment("blue").Status.Deployment; d != nil {
			return d.Peak
		}
		return 0
	}).Should(Equal(int32(4)))
	w.Eventually(slot).Should(Equal("b"))
	now := &appsv1.Deployment{}
	w.Expect(w.Get(w.ctx, client.ObjectKeyFromObject(was), now)).To(Succeed())
	w.Expect(now.Spec.Template).To(Equal(was.Spec.Template), "the old instances are untouched")
	w.Expect(now.Status.AvailableReplicas).To(Equal(int32(2)))
	w.deployed("blue", "v2")
	w.Eventually(func() error { return w.Get(w.ctx, client.ObjectKeyFromObject(was), now) }).Should(MatchError(ContainSubstring("not found")))
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	w.Expect(w.Get(w.ctx, w.key("blue"), hpa)).To(Succeed())
	w.Expect(hpa.Spec.ScaleTargetRef.Name).To(Equal("blue-b"))
	w.Expect([]int32{*hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas}).To(Equal([]int32{2, 4}))
	fresh := &appsv1.Deployment{}
	w.Expect(w.Get(w.ctx, w.key("blue-b"), fresh)).To(Succeed())
	w.Expect(*fresh.Spec.Replicas).To(Equal(int32(2)))
	for _, f := range fresh.ManagedFields {
		if f.Manager == "beanpod" {
			w.Expect(string(f.FieldsV1.Raw)).NotTo(ContainSubstring("f:replicas"))
		}
	}
}

func deletion(w *world) {
	was := w.running("blue", scaled(2, 4))
	w.Expect(w.Delete(w.ctx, w.environment("blue"))).To(Succeed())
	w.gone("blue", was)
	// Nothing but what a namespace has of itself, and what the story made.
	for _, kind := range []client.ObjectList{&corev1.ServiceAccountList{}} {
		w.Eventually(func() int {
			w.Expect(w.List(w.ctx, kind, client.InNamespace(w.namespace))).To(Succeed())
			return len(items(kind))
		}).Should(Equal(1))
	}
}
