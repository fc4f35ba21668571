// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// The digests of the archive and of what is built.
var (
	archiveSum  = strings.Repeat("a", 64)
	artifactSum = strings.Repeat("b", 64)
)

// logs stands in for the kubelets, which this fixture does not have.
type logs struct{}

func (logs) Tail(_ context.Context, _, _, container string, _ bool, _, _ int64) (string, error) {
	return "the last words of " + container + "\n", nil
}

// bundles prepares a world with a store, a platform of its own and a version from a bundle.
func (w *world) bundles(ctx context.Context, tweaks ...func(*v1alpha1.ApplicationVersion)) {
	GinkgoHelper()
	w.operator = settings.Operator{BundleImage: "localhost/operator:1", StoreURL: "http://beanpod-store.beanpod-system.svc:8090"}
	w.restart()
	p := &v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	p.Spec.Branches = []v1alpha1.PlatformBranch{{
		Name: "3.11", Versions: []v1alpha1.PlatformVersion{{Version: "3.11.2", RunImage: "localhost/python:2"}, {Version: "3.11.1", RunImage: "localhost/python:1"}},
	}}
	w.create(ctx, testkit.MakeApplication(w.namespace), p, testkit.MakeVersion(w.namespace, "shop-41", "", append(tweaks, func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "store://shop-41"}}
	})...))
}

// ask makes an Environment that waits for the version on a platform version.
func (w *world) ask(ctx context.Context, name, version string) {
	GinkgoHelper()
	w.create(ctx, testkit.MakeEnvironment(w.namespace, name, "shop-41", func(e *v1alpha1.Environment) {
		e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: w.namespace, Branch: "3.11"}
	}))
	w.setEnvironmentStatus(ctx, name, func(s *v1alpha1.EnvironmentStatus) {
		s.Platform = &v1alpha1.PlatformStatusSummary{Name: w.namespace, Branch: "3.11", Version: version}
	})
}

// jobs are the builds of the namespace, by name.
func (w *world) jobs(ctx context.Context) []batchv1.Job {
	GinkgoHelper()
	var list batchv1.JobList
	Expect(bench.Client.List(ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
	return list.Items
}

// play makes the pod of a Job as it is after its steps ended, each with a report; the last one may have failed. The Job ends with it.
func (w *world) play(ctx context.Context, job *batchv1.Job, reports ...report.Report) {
	GinkgoHelper()
	pod := w.podOf(ctx, job)
	names := []string{"fetch", "build", "push"}
	bad := false
	for i, r := range reports {
		state := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: string(report.Encode(r))}}
		if bad = r.Error != ""; bad {
			state.Terminated.ExitCode = 1
		}
		status := corev1.ContainerStatus{Name: names[i], State: state}
		if i < 2 {
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, status)
		} else {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
		}
	}
	ended := len(reports) == len(names)
	switch {
	case bad:
		pod.Status.Phase = corev1.PodFailed
	case ended:
		pod.Status.Phase = corev1.PodSucceeded
	default:
		pod.Status.Phase = corev1.PodPending
	}
	Expect(bench.Client.Status().Update(ctx, pod)).To(Succeed())
	if bad || ended {
		w.end(ctx, job, bad)
	}
}

func (w *world) podOf(ctx context.Context, job *batchv1.Job) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: job.Name + "-pod", Labels: job.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
		},
		Spec: *job.Spec.Template.Spec.DeepCopy(),
	}
	err := bench.Client.Create(ctx, pod)
	if err != nil {
		Expect(apierrors.IsAlreadyExists(err)).To(BeTrue(), "%v", err)
		Expect(bench.Live.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		pod.Status = corev1.PodStatus{}
	}
	return pod
}

// end plays the Job controller.
func (w *world) end(ctx context.Context, job *batchv1.Job, bad bool) {
	GinkgoHelper()
	at := metav1.NewTime(w.clock.Now().Truncate(time.Second))
	job.Status.StartTime = &at
	kinds := []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete}
	if bad {
		kinds = []batchv1.JobConditionType{batchv1.JobFailureTarget, batchv1.JobFailed}
		job.Status.Failed = 1
	} else {
		job.Status.Succeeded, job.Status.CompletionTime = 1, &at
		job.Status.UncountedTerminatedPods = nil
	}
	for _, kind := range kinds {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: at, LastProbeTime: at})
	}
	Expect(bench.Client.Status().Update(ctx, job)).To(Succeed())
}

func fetched() report.Report {
	return report.Report{Bundle: &report.Object{SHA256: archiveSum, SizeBytes: 10, Files: 2}}
}

func pushed() report.Report {
	r := fetched()
	r.Artifact = &report.Object{SHA256: artifactSum, SizeBytes: 20}
	r.Processes = map[string]string{"web": "python app.py"}
	r.Release, r.Unsupported = []string{"sh", "-c", "migrate"}, []string{".ebextensions/x.config: packages"}
	return r
}

var _ = Describe("a source bundle", func() {
	var w *world
	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	It("is held where there is no store", func(ctx context.Context) {
		w.bundles(ctx)
		w.operator = settings.Operator{}
		w.restart()
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("False SourceNotSupported: This operator has no store"))
		Expect(w.jobs(ctx)).To(BeEmpty())
	})

	It("is not built before somebody asks", func(ctx context.Context) {
		w.bundles(ctx)
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("False Unprocessed: Nothing has asked for it yet"))
		Expect(w.jobs(ctx)).To(BeEmpty())
		Expect(w.told()).To(BeEmpty())
	})

	It("is built for the next update of its platform too, while one is coming", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.1")
		w.setEnvironmentStatus(ctx, "blue", func(s *v1alpha1.EnvironmentStatus) { s.Platform.UpdateAvailable = "3.11.2" })
		w.mustPass(ctx, "shop-41")
		Expect(w.jobs(ctx)).To(HaveLen(1), "nobody asks for the update")
		env := &v1alpha1.Environment{}
		Expect(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "blue"}, env)).To(Succeed())
		env.Spec.ManagedUpdates = &v1alpha1.ManagedUpdates{Enabled: true, Window: &v1alpha1.MaintenanceWindow{Day: "Sun", Start: "03:00"}}
		Expect(bench.Client.Update(ctx, env)).To(Succeed())
		w.mustPass(ctx, "shop-41")
		Expect(w.jobs(ctx)).To(HaveLen(2))
	})

	It("is built once for a platform version", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		jobs := w.jobs(ctx)
		Expect(jobs).To(HaveLen(1))
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("Unknown Processing: Building for " + w.namespace + "/3.11/3.11.2, attempt 1."))
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())

		w.play(ctx, &jobs[0], fetched())
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, ready)).To(HavePrefix("Unknown Building"))
		Expect(ver.Status.Bundle).To(Equal(&v1alpha1.FetchedBundle{SHA256: archiveSum, SizeBytes: 10, Files: 2}))

		w.play(ctx, &jobs[0], fetched(), fetched(), pushed())
		w.mustPass(ctx, "shop-41")
		ver = w.version(ctx, "shop-41")
		Expect(shows(ver, ready)).To(Equal("True Processed: Built for " + w.namespace + "/3.11/3.11.2 (20 bytes)."))
		Expect(ver.Status.Artifacts).To(ConsistOf(v1alpha1.Artifact{
			Platform: w.namespace, Branch: "3.11", Version: "3.11.2", State: v1alpha1.ArtifactBuilt, SHA256: artifactSum, SizeBytes: 20, Attempts: 1,
			Processes: map[string]v1alpha1.ProcessCommand{"web": "python app.py"}, Release: []string{"sh", "-c", "migrate"},
			Recipe: jobs[0].Annotations[v1alpha1.AnnotationRecipe],
		}))
		Expect(shows(ver, v1alpha1.ConditionFieldsSupported)).To(ContainSubstring(".ebextensions/x.config: packages"))

		// What is finished may go, and nothing is built again.
		Expect(bench.Client.Delete(ctx, &jobs[0], client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		w.restart()
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())

		// Another platform version asks for another build, of the same archive.
		w.ask(ctx, "green", "3.11.1")
		w.mustPass(ctx, "shop-41")
		jobs = w.jobs(ctx)
		Expect(jobs).To(HaveLen(1))
		Expect(jobs[0].Spec.Template.Spec.InitContainers[0].Command).To(ContainElements("--sha256", archiveSum))
		Expect(jobs[0].Spec.Template.Spec.InitContainers[1].Image).To(Equal("localhost/python:1"))
		Expect(w.version(ctx, "shop-41").Status.Artifacts[0].SHA256).To(Equal(artifactSum))
	})

	It("is confined while it is built, and leaves no policy behind", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		var policies networkingv1.NetworkPolicyList
		Expect(bench.Client.List(ctx, &policies, client.InNamespace(w.namespace))).To(Succeed())
		Expect(policies.Items).To(HaveLen(1))
		jobs := w.jobs(ctx)
		Expect(jobs[0].Spec.Template.Labels).To(HaveKeyWithValue(v1alpha1.LabelBuild, policies.Items[0].Spec.PodSelector.MatchLabels[v1alpha1.LabelBuild]))
		w.play(ctx, &jobs[0], fetched(), fetched(), pushed())
		w.mustPass(ctx, "shop-41")
		Expect(bench.Client.List(ctx, &policies, client.InNamespace(w.namespace))).To(Succeed())
		Expect(policies.Items).To(BeEmpty())
	})

	It("fails for good, says why and keeps the log", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		jobs := w.jobs(ctx)
		w.play(ctx, &jobs[0], fetched(), report.Report{Reason: report.BuildFailed, Error: "pip ended with exit code 1: no such package."})
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, ready)).To(Equal("False Failed: Building for " + w.namespace + "/3.11/3.11.2 failed (BuildFailed): pip ended with exit code 1: no such package." +
			" ConfigMap " + jobs[0].Name + " has the last lines of its log."))
		Expect(shows(ver, v1alpha1.ConditionStalled)).To(HavePrefix("True Failed"))
		var kept corev1.ConfigMap
		Expect(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: ver.Status.Artifacts[0].LogsRef.Name}, &kept)).To(Succeed())
		Expect(kept.Data).To(HaveKeyWithValue("build.log", "the last words of build\n"))
		Expect(kept.Data["summary.txt"]).To(ContainSubstring("no such package"))

		w.clock.Ahead += 24 * time.Hour
		w.restart()
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
	})

	It("is tried again after what may pass, with growing pauses, five times", func(ctx context.Context) {
		w.clock.Stopped = time.Now().Truncate(time.Second)
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		for i, pause := range []time.Duration{10 * time.Second, 30 * time.Second, 90 * time.Second, 270 * time.Second, 0} {
			jobs := w.jobs(ctx)
			Expect(jobs).To(HaveLen(i + 1))
			last := jobs[0]
			for _, j := range jobs {
				if j.Annotations[v1alpha1.AnnotationAttempt] > last.Annotations[v1alpha1.AnnotationAttempt] {
					last = j
				}
			}
			w.play(ctx, &last, report.Report{Reason: report.FetchFailed, Retry: true, Error: "The server did not answer."})
			after, _ := w.mustPass(ctx, "shop-41")
			Expect(after).To(Equal(pause))
			if pause == 0 {
				break
			}
			Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("Unknown Processing"))
			_, writes := w.mustPass(ctx, "shop-41")
			Expect(writes).To(BeEmpty())
			w.clock.Ahead += pause
			w.mustPass(ctx, "shop-41")
		}
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(And(HavePrefix("False Failed"), ContainSubstring("It was tried 5 times.")))
	})

	It("is built again when a Job vanishes before anybody saw its result", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		first := w.jobs(ctx)[0]
		Expect(bench.Client.Delete(ctx, &first, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		w.mustPass(ctx, "shop-41")
		again := w.jobs(ctx)
		Expect(again).To(HaveLen(1))
		Expect(again[0].Name).To(Equal(first.Name))
		Expect(again[0].UID).NotTo(Equal(first.UID))
	})

	It("waits for its Secret", func(ctx context.Context) {
		w.bundles(ctx)
		v := testkit.MakeVersion(w.namespace, "secret", "", func(v *v1alpha1.ApplicationVersion) {
			v.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "https://example.com/a.zip", SecretRef: &v1alpha1.LocalReference{Name: "keys"}}}
		})
		w.create(ctx, v)
		w.ask(ctx, "blue", "3.11.2")
		env := &v1alpha1.Environment{}
		Expect(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "blue"}, env)).To(Succeed())
		env.Spec.VersionRef.Name = "secret"
		Expect(bench.Client.Update(ctx, env)).To(Succeed())
		w.mustPass(ctx, "secret")
		Expect(shows(w.version(ctx, "secret"), ready)).To(HavePrefix("False Failed: Secret keys, which spec.source.bundle.secretRef names, does not exist"))
		w.create(ctx, w.secret("keys", corev1.SecretTypeOpaque, "token", "x"))
		// The cache of metadata does not wait for what another client wrote.
		Eventually(func() []batchv1.Job {
			w.mustPass(ctx, "secret")
			return w.jobs(ctx)
		}).Should(HaveLen(1))
	})

	It("goes on while its deletion waits for its user", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		Expect(bench.Client.Delete(ctx, w.version(ctx, "shop-41"))).To(Succeed())
		jobs := w.jobs(ctx)
		w.play(ctx, &jobs[0], fetched(), fetched(), pushed())
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, v1alpha1.ConditionTerminating)).To(HavePrefix("True InUse"))
		Expect(shows(ver, ready)).To(HavePrefix("True Processed"))
		Expect(jobs[0].OwnerReferences[0].UID).To(Equal(ver.UID), "what builds it goes with it")
	})

	It("is woken by Environments, Jobs and pods", func(ctx context.Context) {
		w.bundles(ctx)
		w.start()
		show := func() string { return shows(w.version(ctx, "shop-41"), ready) }
		Eventually(show).Should(HavePrefix("False Unprocessed"))
		w.ask(ctx, "blue", "3.11.2")
		Eventually(func() []batchv1.Job { return w.jobs(ctx) }).Should(HaveLen(1))
		Eventually(show).Should(HavePrefix("Unknown Processing"))
		jobs := w.jobs(ctx)
		w.play(ctx, &jobs[0], fetched())
		Eventually(show).Should(HavePrefix("Unknown Building"))
		w.play(ctx, &jobs[0], fetched(), fetched(), pushed())
		Eventually(show).Should(HavePrefix("True Processed"))
		w.setEnvironmentStatus(ctx, "blue", func(s *v1alpha1.EnvironmentStatus) { s.Platform.Version = "3.11.1" })
		Eventually(func() []batchv1.Job { return w.jobs(ctx) }).Should(HaveLen(2))
	})

	It("leaves a stranger's Job alone", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		job := w.jobs(ctx)[0]
		Expect(bench.Client.Delete(ctx, &job, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		stranger := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: job.Name}}
		stranger.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "x", Image: "x"}}}
		w.create(ctx, stranger)
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(ContainSubstring("exists and does not belong to this version"))
	})

	It("ends as it should after a crash at any write", func(ctx context.Context) {
		for n := range 8 {
			w = newWorld(ctx)
			w.bundles(ctx)
			w.ask(ctx, "blue", "3.11.2")
			left := n
			w.crash = func() error {
				if left--; left == -1 {
					return errors.New("killed")
				}
				return nil
			}
			w.restart()
			settle := func() {
				for range 3 {
					_, _, err := w.pass(ctx, "shop-41")
					if err != nil {
						w.restart()
					}
				}
			}
			settle()
			jobs := w.jobs(ctx)
			Expect(jobs).To(HaveLen(1), "crash at write %d", n)
			w.play(ctx, &jobs[0], fetched(), fetched(), pushed())
			settle()
			ver := w.version(ctx, "shop-41")
			Expect(shows(ver, ready)).To(HavePrefix("True Processed"), "crash at write %d", n)
			Expect(ver.Status.Artifacts[0].Attempts).To(Equal(int32(1)))
			var policies networkingv1.NetworkPolicyList
			Expect(bench.Client.List(ctx, &policies, client.InNamespace(w.namespace))).To(Succeed())
			Expect(policies.Items).To(BeEmpty())
		}
	})
})
