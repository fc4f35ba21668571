// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package unsupported

import (
	"context"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// sample reads one of the samples that users start from into an object, which it puts into a namespace.
func sample[T client.Object](namespace, file string, obj T) T {
	GinkgoHelper()
	content, err := os.ReadFile(testkit.RepositoryPath("config", "samples", file))
	Expect(err).NotTo(HaveOccurred())
	Expect(yaml.Unmarshal(content, obj)).To(Succeed())
	obj.SetNamespace(namespace)
	return obj
}

// probe looks at one kind: how to make an object of it, and how to change its spec.
type probe struct {
	object func(namespace string) client.Object
	change string
	ready  metav1.ConditionStatus
	reason string
	says   string
}

var probes = map[string]probe{
	"configurationtemplates": {
		object: func(ns string) client.Object {
			return sample(ns, "configurationtemplate.yaml", &v1alpha1.ConfigurationTemplate{})
		},
		change: `{"spec":{"description":"changed"}}`, ready: "False", reason: "NotYetSupported", says: "write the settings into the spec of each Environment",
	},
	"domainmaps": {
		object: func(ns string) client.Object { return sample(ns, "domainmap.yaml", &v1alpha1.DomainMap{}) },
		change: `{"spec":{"holdSeconds":60}}`, ready: "False", reason: "NotYetSupported", says: "status.url of each Environment",
	},
}

// state is what every kind's status has.
func state(ctx context.Context, obj client.Object) (int64, *metav1.Condition) {
	GinkgoHelper()
	Expect(bench.Live.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
	read := func(observed int64, conditions []metav1.Condition) (int64, *metav1.Condition) {
		return observed, condition.Find(conditions, v1alpha1.ConditionReady)
	}
	switch o := obj.(type) {
	case *v1alpha1.ConfigurationTemplate:
		return read(o.Status.ObservedGeneration, o.Status.Conditions)
	case *v1alpha1.DomainMap:
		return read(o.Status.ObservedGeneration, o.Status.Conditions)
	default:
		return 0, nil
	}
}

func start(namespace string) *testkit.Writes {
	GinkgoHelper()
	writes := &testkit.Writes{}
	testkit.StartManager(GinkgoTB(), writes.Watch(bench.Config), namespace, func(mgr ctrl.Manager) error {
		return New(Dependencies{
			Client: mgr.GetClient(), Recorder: events.NewFakeRecorder(10), Now: time.Now,
		}).SetupWithManager(mgr, controller.Options{})
	})
	return writes
}

var _ = Describe("a kind whose behaviour comes later", Ordered, func() {
	var namespace string
	BeforeAll(func(ctx context.Context) {
		var err error
		namespace, err = bench.MakeNamespace(ctx)
		Expect(err).NotTo(HaveOccurred())
	})

	It("refuses missing dependencies", func() {
		Expect(New(Dependencies{}).SetupWithManager(nil, controller.Options{})).To(MatchError("unsupported: a dependency is missing"))
	})

	for resource, p := range probes {
		It("is answered with one write for each generation: "+resource, func(ctx context.Context) {
			writes := start(namespace)
			obj := p.object(namespace)
			name := obj.GetName()
			Expect(bench.Client.Create(ctx, obj)).To(Succeed())
			expectAnswer := func(generation int64) {
				GinkgoHelper()
				Eventually(func() int64 { observed, _ := state(ctx, obj); return observed }).Should(Equal(generation))
				_, ready := state(ctx, obj)
				Expect(ready).NotTo(BeNil())
				Expect(ready.Status).To(Equal(p.ready))
				Expect(ready.Reason).To(Equal(p.reason))
				Expect(ready.ObservedGeneration).To(Equal(generation))
				Expect(ready.Message).To(And(ContainSubstring(p.says), HaveSuffix("docs/roadmap.md says when that changes.")))
				Expect(writes.Take()).To(Equal([]string{"PATCH " + resource + "/" + name + "/status"}))
			}
			expectAnswer(1)
			Expect(bench.Client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(p.change)))).To(Succeed())
			expectAnswer(2)

			By("touching it without changing its spec, and restarting")
			Expect(bench.Client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`)))).To(Succeed())
			again := start(namespace)
			time.Sleep(300 * time.Millisecond)
			Expect(append(writes.Take(), again.Take()...)).To(BeEmpty())

			By("deleting it")
			Expect(bench.Client.Delete(ctx, obj)).To(Succeed())
			time.Sleep(100 * time.Millisecond)
			Expect(append(writes.Take(), again.Take()...)).To(BeEmpty())
		})
	}
})
