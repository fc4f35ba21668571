// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const (
	ready       = v1alpha1.ConditionReady
	reconciling = v1alpha1.ConditionReconciling
	stalled     = v1alpha1.ConditionStalled
	supported   = v1alpha1.ConditionFieldsSupported
	statusWrite = "PATCH applicationversions/%s/status"
)

func statusOf(name string) string { return fmt.Sprintf(statusWrite, name) }

var _ = Describe("resolving an image", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		w.create(ctx, testkit.MakeApplication(w.namespace))
	})

	It("resolves a tag once, with one write, and never asks again", func(ctx context.Context) {
		reference, digest := w.push("41")
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference))
		after, writes := w.mustPass(ctx, "shop-41")
		Expect(after).To(BeZero())
		Expect(writes).To(Equal([]string{statusOf("shop-41")}))
		ver := w.version(ctx, "shop-41")
		Expect(ver.Status.Image).To(Equal(&v1alpha1.ResolvedImage{Reference: reference, Digest: digest}))
		Expect(ver.Status.ObservedGeneration).To(Equal(ver.Generation))
		Expect(shows(ver, ready)).To(Equal("True Processed: " + reference + " is " + digest + "."))
		Expect(shows(ver, supported)).To(HavePrefix("True AllSupported"))
		Expect(ver.Status.Retention).To(Equal(&v1alpha1.VersionRetention{State: "Kept", Reason: "no Environment uses it"}))
		Expect(ver.Finalizers).To(BeEmpty())
		Expect(w.told()).To(Equal([]string{"Normal Processed " + reference + " is " + digest + "."}))

		By("moving the tag, and restarting")
		w.push("41")
		w.restart()
		after, writes = w.mustPass(ctx, "shop-41")
		Expect(after).To(BeZero())
		Expect(writes).To(BeEmpty())
		Expect(images.Asked()).To(BeEmpty())
		Expect(w.told()).To(BeEmpty())
		Expect(w.version(ctx, "shop-41").Status.Image.Digest).To(Equal(digest))
	})

	It("checks a digest like a tag", func(ctx context.Context) {
		_, digest := w.push("41")
		there, missing := images.Host+"/"+w.namespace+"@"+digest, images.Host+"/"+w.namespace+"@sha256:"+strings.Repeat("a", 64)
		w.create(ctx, testkit.MakeVersion(w.namespace, "there", there), testkit.MakeVersion(w.namespace, "missing", missing))
		w.mustPass(ctx, "there")
		Expect(w.version(ctx, "there").Status.Image.Digest).To(Equal(digest))
		w.mustPass(ctx, "missing")
		Expect(shows(w.version(ctx, "missing"), ready)).To(HavePrefix("False Failed: Resolving " + missing))
	})

	It("resolves nothing with pullPolicy Never", func(ctx context.Context) {
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", "shop:41", func(v *v1alpha1.ApplicationVersion) {
			v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever
		}, withSecret("missing")))
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(Equal([]string{statusOf("shop-41")}))
		ver := w.version(ctx, "shop-41")
		Expect(ver.Status.Image).To(Equal(&v1alpha1.ResolvedImage{Reference: "shop:41"}))
		Expect(shows(ver, ready)).To(Equal("True Processed: shop:41 is deployed as it is written: pullPolicy is Never, so nothing is " +
			"resolved and the nodes must have it."))
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
	})

	It("fails at a definite answer, quotes it, and looks again every 5 minutes", func(ctx context.Context) {
		w.push("40")
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", w.image("41")))
		after, writes := w.mustPass(ctx, "shop-41")
		Expect(after).To(Equal(5 * time.Minute))
		Expect(writes).To(HaveLen(1))
		want := fmt.Sprintf("Failed: Resolving %[1]s: %[2]s has no %[1]s (MANIFEST_UNKNOWN: Unknown manifest). Push the image, or create a "+
			"version with another reference. It is looked at again every 5 minutes.", w.image("41"), images.Host)
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, ready)).To(Equal("False " + want))
		Expect(shows(ver, stalled)).To(Equal("True " + want))
		Expect(shows(ver, reconciling)).To(BeEmpty())

		By("asking again in vain")
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())

		By("pushing the image")
		_, digest := w.push("41")
		after, writes = w.mustPass(ctx, "shop-41")
		Expect(after).To(BeZero())
		Expect(writes).To(HaveLen(1))
		ver = w.version(ctx, "shop-41")
		Expect(ver.Status.Image.Digest).To(Equal(digest))
		Expect(shows(ver, ready)).To(HavePrefix("True Processed"))
		Expect(shows(ver, stalled)).To(BeEmpty())
		Expect(w.told()).To(HaveExactElements(HavePrefix("Warning Failed "), HavePrefix("Normal Processed ")))
	})

	It("retries a passing error with growing pauses, gives up after 10 minutes, and recovers even then", func(ctx context.Context) {
		reference, digest := w.push("41")
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference))
		images.Gate(testkit.Sick(http.StatusServiceUnavailable))
		w.clock.Stopped = w.version(ctx, "shop-41").CreationTimestamp.Time
		after, writes := w.mustPass(ctx, "shop-41")
		Expect(after).To(Equal(5 * time.Second))
		Expect(writes).To(HaveLen(1))
		ver := w.version(ctx, "shop-41")
		want := fmt.Sprintf(" Processing: Resolving %s: %s answers 503 Service Unavailable. It is tried again, with growing pauses.", reference, images.Host)
		Expect(shows(ver, ready)).To(Equal("Unknown" + want))
		Expect(shows(ver, reconciling)).To(Equal("True" + want))
		Expect(shows(ver, stalled)).To(BeEmpty())

		for ahead, pause := range map[time.Duration]time.Duration{30 * time.Second: 15 * time.Second, 4 * time.Minute: 2 * time.Minute} {
			w.clock.Ahead = ahead
			after, writes = w.mustPass(ctx, "shop-41")
			Expect(after).To(Equal(pause))
			Expect(writes).To(BeEmpty(), "the same error is no news")
		}
		Expect(w.told()).To(BeEmpty())

		w.clock.Ahead = 10 * time.Minute
		after, writes = w.mustPass(ctx, "shop-41")
		Expect(after).To(Equal(5 * time.Minute))
		Expect(writes).To(HaveLen(1))
		ver = w.version(ctx, "shop-41")
		Expect(shows(ver, ready)).To(HavePrefix("False Failed: Resolving " + reference))
		Expect(shows(ver, stalled)).To(HavePrefix("True Failed"))

		images.Gate(nil)
		w.mustPass(ctx, "shop-41")
		Expect(w.version(ctx, "shop-41").Status.Image.Digest).To(Equal(digest))
		Expect(w.told()).To(HaveExactElements(HavePrefix("Warning Failed "), HavePrefix("Normal Processed ")))
	})

	It("takes a release command", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference, func(v *v1alpha1.ApplicationVersion) {
			v.Spec.ReleaseCommand = &v1alpha1.ReleaseCommand{Command: []string{"npm", "run", "migrate"}}
		}))
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, supported)).To(HavePrefix("True AllSupported"))
		Expect(shows(ver, ready)).To(HavePrefix("True Processed"))
	})
})

var _ = Describe("pull Secrets", func() {
	const password = "CANARY1234"
	var w *world
	var login string
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		w.create(ctx, testkit.MakeApplication(w.namespace))
		reference, _ := w.push("41")
		images.Gate(testkit.Login("user", password))
		DeferCleanup(func() { images.Gate(nil) })
		login = fmt.Sprintf(`{%q:{"auth":%q}}`, images.Host, base64.StdEncoding.EncodeToString([]byte("user:"+password)))
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference, withSecret("regcred")))
	})

	expectFailure := func(ctx context.Context, message string) {
		GinkgoHelper()
		after, _ := w.mustPass(ctx, "shop-41")
		Expect(after).To(Equal(5 * time.Minute))
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, ready)).To(HavePrefix("False Failed: "))
		Expect(shows(ver, stalled)).To(ContainSubstring(message))
		Expect(fmt.Sprint(ver.Status, w.told())).NotTo(ContainSubstring(password))
	}

	It("are used", func(ctx context.Context) {
		w.create(ctx, w.secret("regcred", corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, `{"auths":`+login+`}`))
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
	})

	It("may be of the legacy type", func(ctx context.Context) {
		w.create(ctx, w.secret("regcred", corev1.SecretTypeDockercfg, corev1.DockerConfigKey, login))
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
	})

	It("that are missing are named, and the registry is not asked", func(ctx context.Context) {
		expectFailure(ctx, "Secret regcred, which spec.source.image.pullSecretRef names, does not exist. Create it with type "+
			"kubernetes.io/dockerconfigjson.")
		Expect(images.Asked()).To(BeEmpty())
		w.create(ctx, w.secret("regcred", corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, `{"auths":`+login+`}`))
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
	})

	It("of another type are refused", func(ctx context.Context) {
		w.create(ctx, w.secret("regcred", corev1.SecretTypeOpaque, "password", password))
		expectFailure(ctx, `Secret regcred, which spec.source.image.pullSecretRef names, has type "Opaque" instead of`)
	})

	It("without an entry for the registry are named", func(ctx context.Context) {
		other := strings.Replace(login, images.Host, "other.example", 1)
		w.create(ctx, w.secret("regcred", corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, `{"auths":`+other+`}`))
		expectFailure(ctx, "(UNAUTHORIZED: authentication required). Add credentials for "+images.Host+" to Secret regcred: it has none.")
	})

	It("with a wrong password are named", func(ctx context.Context) {
		wrong := fmt.Sprintf(`{"auths":{%q:{"username":"user","password":%q}}}`, images.Host, "x"+password)
		w.create(ctx, w.secret("regcred", corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, wrong))
		expectFailure(ctx, "(UNAUTHORIZED: authentication required). Put credentials that may read it into Secret regcred.")
	})
})

var _ = Describe("the place of a version", func() {
	var w *world
	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	It("needs its Application", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference))
		after, _ := w.mustPass(ctx, "shop-41")
		Expect(after).To(BeZero())
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, stalled)).To(Equal("True ApplicationNotFound: Application shop, which spec.applicationRef names, does not exist. Create it."))
		Expect(shows(ver, ready)).To(HavePrefix("False ApplicationNotFound"))
		Expect(images.Asked()).To(BeEmpty())
		w.create(ctx, testkit.MakeApplication(w.namespace))
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
	})

	It("has one version for each label, the older one", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.create(ctx, testkit.MakeApplication(w.namespace), testkit.MakeApplication(w.namespace, func(a *v1alpha1.Application) { a.Name = "toys" }))
		// Names are chosen so that neither name nor UID order can stand in for age.
		w.create(ctx, testkit.MakeVersion(w.namespace, "v9", reference, withLabel("41")))
		time.Sleep(1100 * time.Millisecond) // creation times are in seconds
		w.create(ctx,
			testkit.MakeVersion(w.namespace, "v1", reference, withLabel("41")),
			testkit.MakeVersion(w.namespace, "41", reference),
			testkit.MakeVersion(w.namespace, "v2", reference, withLabel("42")),
			testkit.MakeVersion(w.namespace, "t1", reference, withLabel("41"), func(v *v1alpha1.ApplicationVersion) { v.Spec.ApplicationRef.Name = "toys" }),
		)
		for _, name := range []string{"v9", "v1", "41", "v2", "t1"} {
			w.mustPass(ctx, name)
		}
		for _, name := range []string{"v9", "v2", "t1"} {
			Expect(shows(w.version(ctx, name), ready)).To(HavePrefix("True Processed"), name)
		}
		for _, name := range []string{"v1", "41"} {
			Expect(shows(w.version(ctx, name), stalled)).To(Equal(`True LabelConflict: ApplicationVersion v9, which is older, has the label "41" in `+
				`Application shop. Delete one of the two, or create this one again with another spec.label.`), name)
			Expect(w.version(ctx, name).Status.Image).To(BeNil())
		}

		By("deleting the older one")
		Expect(bench.Client.Delete(ctx, w.version(ctx, "v9"))).To(Succeed())
		w.mustPass(ctx, "v1")
		w.mustPass(ctx, "41")
		v1, named := w.version(ctx, "v1"), w.version(ctx, "41")
		Expect([]bool{strings.HasPrefix(shows(v1, ready), "True"), strings.HasPrefix(shows(named, ready), "True")}).To(
			ConsistOf(true, false), "exactly one holds the label now")
	})

	DescribeTable("is decided by age, then UID",
		func(aCreated, bCreated int64, aUID, bUID string, want bool) {
			make := func(created int64, uid string) *v1alpha1.ApplicationVersion {
				return &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.Unix(created, 0), UID: types.UID(uid)}}
			}
			Expect(older(make(aCreated, aUID), make(bCreated, bUID))).To(Equal(want))
		},
		Entry("older", int64(1), int64(2), "z", "a", true),
		Entry("younger", int64(2), int64(1), "a", "z", false),
		Entry("same second, smaller UID", int64(1), int64(1), "a", "b", true),
		Entry("same second, larger UID", int64(1), int64(1), "b", "a", false),
		Entry("itself", int64(1), int64(1), "a", "a", false),
	)
})

var _ = Describe("trouble with the API server", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		DeferCleanup(func() { bench.Writes.Refuse(nil) })
	})

	It("leaves no trace, whichever write it hits", func(ctx context.Context) {
		reference, digest := w.push("41")
		w.create(ctx, testkit.MakeApplication(w.namespace), testkit.MakeVersion(w.namespace, "shop-41", reference),
			testkit.MakeEnvironment(w.namespace, "blue", "shop-41"))
		for _, victim := range []string{"PATCH applicationversions/shop-41", statusOf("shop-41")} {
			bench.Writes.Refuse(func(write string) error {
				if write == victim {
					return errors.New("connection lost")
				}
				return nil
			})
			_, _, err := w.pass(ctx, "shop-41")
			Expect(err).To(MatchError(ContainSubstring("connection lost")), victim)
			Expect(w.version(ctx, "shop-41").Status.UsedBy).To(BeEmpty())
			bench.Writes.Refuse(nil)
			w.restart()
		}
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(ver.Status.Image.Digest).To(Equal(digest))
		Expect(ver.Status.UsedBy).To(Equal([]v1alpha1.VersionUse{{Environment: "blue"}}))
		Expect(shows(ver, ready)).To(HavePrefix("True Processed"))
		Expect(w.told()).To(HaveExactElements(HavePrefix("Normal Processed ")))
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
	})

	It("is told in status when the finalizer cannot be written", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.create(ctx, testkit.MakeApplication(w.namespace), testkit.MakeVersion(w.namespace, "shop-41", reference),
			testkit.MakeEnvironment(w.namespace, "blue", "shop-41"))
		bench.Writes.Refuse(func(write string) error {
			if write == "PATCH applicationversions/shop-41" {
				return errors.New("not allowed")
			}
			return nil
		})
		_, _, err := w.pass(ctx, "shop-41")
		Expect(err).To(HaveOccurred())
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(And(HavePrefix("False Retrying: changing finalizer beanpod.dev/in-use"), ContainSubstring("not allowed")))
	})
})
