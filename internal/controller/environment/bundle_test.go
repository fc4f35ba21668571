// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// platform makes a Platform of its own with branch 3.11, newest version first.
func (w *world) platform(ctx context.Context, tweaks ...func(*v1alpha1.Platform)) {
	GinkgoHelper()
	w.operator.BundleImage, w.operator.StoreURL = "localhost/operator:1", "http://beanpod-store.beanpod-system.svc:8090"
	w.restart()
	port := int32(8000)
	p := &v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	p.Spec.Branches = []v1alpha1.PlatformBranch{{
		Name: "3.11", Port: &port, Versions: []v1alpha1.PlatformVersion{{Version: "3.11.1", RunImage: "localhost/python:1"}},
		EnvironmentProperties: []v1alpha1.PlatformProperty{{Name: "MODE", Value: "plain"}},
	}}
	for _, tweak := range tweaks {
		tweak(p)
	}
	w.create(ctx, p)
}

// list puts another platform version in front.
func (w *world) list(ctx context.Context, edit func(*v1alpha1.PlatformBranch)) {
	GinkgoHelper()
	p := &v1alpha1.Platform{}
	Expect(bench.Live.Get(ctx, client.ObjectKey{Name: w.namespace}, p)).To(Succeed())
	edit(&p.Spec.Branches[0])
	Expect(bench.Client.Update(ctx, p)).To(Succeed())
	Expect(bench.Client.List(ctx, &v1alpha1.PlatformList{})).To(Succeed())
}

// bundled makes a version from a source bundle.
func (w *world) bundled(ctx context.Context, name string) {
	GinkgoHelper()
	w.create(ctx, testkit.MakeVersion(w.namespace, name, "", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "store://" + name}}
	}))
}

// artifact plays the version's own controller.
func (w *world) artifact(ctx context.Context, name string, a v1alpha1.Artifact) {
	GinkgoHelper()
	v := &v1alpha1.ApplicationVersion{}
	Expect(bench.Live.Get(ctx, w.key(name), v)).To(Succeed())
	a.Platform, a.Branch = w.namespace, "3.11"
	v.Status.Artifacts = append(v.Status.Artifacts, a)
	Expect(bench.Client.Status().Update(ctx, v)).To(Succeed())
}

func builtAs(version, digit string) v1alpha1.Artifact {
	return v1alpha1.Artifact{
		Version: version, State: v1alpha1.ArtifactBuilt, SHA256: strings.Repeat(digit, 64),
		Processes: map[string]v1alpha1.ProcessCommand{"web": "python app.py"},
	}
}

var _ = Describe("a source bundle", func() {
	var w *world
	on := func(e *v1alpha1.Environment) {
		e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: w.namespace}
		e.Spec.VersionRef = &v1alpha1.LocalReference{Name: "b1"}
	}
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		w.platform(ctx)
		w.bundled(ctx, "b1")
		w.bundled(ctx, "b2")
	})
	running := func(ctx context.Context) {
		GinkgoHelper()
		w.artifact(ctx, "b1", builtAs("3.11.1", "1"))
		w.launched(ctx, on)
	}

	It("says which platform version it waits for, and then runs on it", func(ctx context.Context) {
		w.create(ctx, w.web(on))
		w.mustPass(ctx)
		env := w.environment(ctx)
		Expect(env.Status.Platform).To(Equal(&v1alpha1.PlatformStatusSummary{Name: w.namespace, Branch: "3.11", Version: "3.11.1", State: "Supported"}))
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(Equal(`False VersionNotReady: waiting until ApplicationVersion "b1" is built for ` + w.namespace + "/3.11/3.11.1"))
		w.artifact(ctx, "b1", builtAs("3.11.1", "1"))
		w.mustPass(ctx)
		d := w.deployment(ctx)
		pod := d.Spec.Template
		Expect(d.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationPlatform, w.namespace+"/3.11/3.11.1"))
		Expect(pod.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationArtifact, "sha256:"+strings.Repeat("1", 64)))
		Expect(pod.Spec.InitContainers).To(HaveLen(1))
		Expect(pod.Spec.InitContainers[0].Image).To(Equal("localhost/operator:1"))
		main := pod.Spec.Containers[0]
		Expect(main.Image).To(Equal("localhost/python:1"))
		Expect(main.Command).To(Equal([]string{"python", "app.py"}))
		Expect(main.WorkingDir).To(Equal("/app/current"))
		Expect(main.Ports[0].ContainerPort).To(Equal(int32(8000)))
		Expect(main.Env[0].Name).To(Equal("MODE"))
	})

	It("needs a platform", func(ctx context.Context) {
		w.create(ctx, w.web(on, func(e *v1alpha1.Environment) { e.Spec.PlatformRef = nil }))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(HavePrefix(`True PlatformNotSet: ApplicationVersion "b1" is a source bundle, which runs on a platform`))
	})

	It("needs a store", func(ctx context.Context) {
		w.operator.StoreURL = ""
		w.restart()
		w.create(ctx, w.web(on))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(HavePrefix(`True SourceNotSupported: ApplicationVersion "b1" is a source bundle, and this operator has no store`))
	})

	It("that failed leaves the old version serving, and says why", func(ctx context.Context) {
		running(ctx)
		before := w.deployment(ctx)
		w.artifact(ctx, "b2", v1alpha1.Artifact{Version: "3.11.1", State: v1alpha1.ArtifactFailed, Message: "pip ended with exit code 1."})
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "b2" })
		w.mustPass(ctx)
		Expect(w.deployment(ctx).ResourceVersion).To(Equal(before.ResourceVersion))
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(Equal(`False VersionFailed: ApplicationVersion "b2" cannot be deployed on ` + w.namespace + "/3.11/3.11.1: pip ended with exit code 1."))
		Expect(w.shows(ctx, v1alpha1.ConditionVersionDeployed)).To(ContainSubstring("b1 keeps running"))
		Expect(w.shows(ctx, v1alpha1.ConditionAvailable)).To(HavePrefix("True"))
		Expect(w.environment(ctx).Status.DeployedVersion.Name).To(Equal("b1"))
	})

	It("stays on its platform version, and no operator replaces an instance", func(ctx context.Context) {
		running(ctx)
		before := w.deployment(ctx)
		w.list(ctx, func(b *v1alpha1.PlatformBranch) {
			b.Versions = append([]v1alpha1.PlatformVersion{{Version: "3.11.2", RunImage: "localhost/python:2"}}, b.Versions...)
			b.EnvironmentProperties[0].Value = "other"
		})
		w.operator.BundleImage, w.operator.StoreURL = "localhost/operator:2", "http://elsewhere.beanpod-system.svc:1"
		w.restart()
		w.mustPass(ctx)
		Expect(w.deployment(ctx).Spec.Template).To(Equal(before.Spec.Template))
		Expect(w.environment(ctx).Status.Platform.UpdateAvailable).To(Equal("3.11.2"))

		By("taking the version off the list")
		w.list(ctx, func(b *v1alpha1.PlatformBranch) { b.Versions = b.Versions[:1] })
		w.mustPass(ctx)
		Expect(w.deployment(ctx).Generation).To(Equal(before.Generation))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.environment(ctx).Status.Platform.Version).To(Equal("3.11.1"))

		By("deploying another version, which cannot be built for that any more")
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "b2" })
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Platform.Version).To(Equal("3.11.2"))
		w.artifact(ctx, "b2", builtAs("3.11.2", "2"))
		w.mustPass(ctx)
		d := w.deployment(ctx)
		Expect(d.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationPlatform, w.namespace+"/3.11/3.11.2"))
		Expect(d.Spec.Template.Spec.InitContainers[0].Image).To(Equal("localhost/operator:2"))
		Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("localhost/python:2"))
		Expect(w.environment(ctx).Status.Deployment.Type).To(Equal(v1alpha1.DeploymentVersion))
	})

	It("runs an image where the operator has a registry, and nothing restarts for that", func(ctx context.Context) {
		running(ctx)
		before := w.deployment(ctx)
		w.operator.Registry = settings.Registry{Prefix: "registry.example/beanpod", PullSecret: "regcred"}
		w.restart()
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "b2" })
		waiting := builtAs("3.11.1", "2")
		waiting.Reason, waiting.Message = "RegistryRefused", "registry.example says no."
		w.artifact(ctx, "b2", waiting)
		w.mustPass(ctx)
		w.later(2 * time.Second) // work that has just begun is told a little later
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(Equal(`False VersionNotReady: waiting until the image of ApplicationVersion "b2" for ` + w.namespace +
			"/3.11/3.11.1 is in the registry: registry.example says no."))
		Expect(w.deployment(ctx).Generation).To(Equal(before.Generation), "what runs keeps running")

		image := "registry.example/beanpod/" + w.namespace + "/shop@sha256:" + strings.Repeat("a", 64)
		v := &v1alpha1.ApplicationVersion{}
		Expect(bench.Live.Get(ctx, w.key("b2"), v)).To(Succeed())
		v.Status.Artifacts[0].Image, v.Status.Artifacts[0].RunImage, v.Status.Artifacts[0].Reason, v.Status.Artifacts[0].Message = image, "localhost/python:1", "", ""
		Expect(bench.Client.Status().Update(ctx, v)).To(Succeed())
		w.mustPass(ctx)
		d := w.deployment(ctx)
		pod := d.Spec.Template.Spec
		Expect(pod.InitContainers).To(BeEmpty())
		Expect(pod.Volumes).To(BeEmpty())
		Expect(pod.Containers[0].Image).To(Equal(image))
		Expect(pod.ImagePullSecrets).To(ConsistOf(HaveField("Name", "regcred")))
		Expect(d.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationRunImage, "localhost/python:1"))

		By("taking the registry away again")
		w.operator.Registry = settings.Registry{}
		w.restart()
		w.mustPass(ctx)
		Expect(w.deployment(ctx).Spec.Template.Spec.Containers[0].Image).To(Equal(image))
	})

	It("runs the platform's sample when no version is named", func(ctx context.Context) {
		p := &v1alpha1.Platform{}
		Expect(bench.Live.Get(ctx, client.ObjectKey{Name: w.namespace}, p)).To(Succeed())
		w.create(ctx, w.web(on, func(e *v1alpha1.Environment) { e.Spec.VersionRef = nil }))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(HavePrefix("True VersionNotSet: spec.versionRef is not set, and Platform"))
		p.Spec.Sample = &v1alpha1.PlatformSample{Archive: "python-sample"}
		Expect(bench.Client.Update(ctx, p)).To(Succeed())
		Expect(bench.Client.List(ctx, &v1alpha1.PlatformList{})).To(Succeed())
		w.mustPass(ctx)
		w.later(2 * time.Second) // work that has just begun is told a little later
		w.mustPass(ctx)
		name := naming.Sample("shop", w.namespace)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(HavePrefix(`False VersionNotReady: waiting until ApplicationVersion "` + name + `" is built for `))
		v := &v1alpha1.ApplicationVersion{}
		Expect(bench.Live.Get(ctx, w.key(name), v)).To(Succeed())
		Expect(v.Spec.Source.Bundle.URL).To(Equal("store://sample/python-sample"))
		Expect(v.OwnerReferences[0].Kind).To(Equal("Application"))
		w.artifact(ctx, name, builtAs("3.11.1", "3"))
		w.mustPass(ctx)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionVersionDeployed)).To(Equal("True Deployed: all instances run " + name))
	})

	It("warns of a deprecated branch, and refuses a retired one to those that are not on it", func(ctx context.Context) {
		running(ctx)
		w.list(ctx, func(b *v1alpha1.PlatformBranch) { b.State, b.RetireOn = v1alpha1.PlatformDeprecated, "2027-03-31" })
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(And(HavePrefix("True PlatformDeprecated"), ContainSubstring("is retired on 2027-03-31")))
		Expect(w.told()).To(ContainSubstring("PlatformDeprecated"))
		w.list(ctx, func(b *v1alpha1.PlatformBranch) { b.State = v1alpha1.PlatformRetired })
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(bench.Client.Delete(ctx, w.environment(ctx))).To(Succeed())
		d := w.deployment(ctx)
		Expect(bench.Client.Delete(ctx, d)).To(Succeed())
		w.create(ctx, w.web(on, func(e *v1alpha1.Environment) { e.Spec.PlatformRef.Branch = "3.11" }))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(HavePrefix("True PlatformRetired"))
	})

	It("leaves an image its own, with the platform's properties", func(ctx context.Context) {
		w.create(ctx, w.web(func(e *v1alpha1.Environment) { e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: w.namespace} }))
		w.mustPass(ctx)
		d := w.deployment(ctx)
		Expect(d.Spec.Template.Spec.InitContainers).To(BeEmpty())
		Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("shop:v1"))
		Expect(d.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort).To(Equal(int32(8080)))
		Expect(d.Spec.Template.Spec.Containers[0].Env[0].Name).To(Equal("MODE"))
		Expect(d.Annotations).NotTo(HaveKey(v1alpha1.AnnotationPlatform))
	})
})
