// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/store"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var _ = Describe("the stored source of versions that go", func() {
	var (
		w    *world
		kept store.Store
	)
	sum := func(text string) string {
		s := sha256.Sum256([]byte(text))
		return hex.EncodeToString(s[:])
	}
	key := func(kind store.Kind, name string) store.Key {
		return store.Key{Namespace: w.namespace, Kind: kind, Name: name}
	}
	bundle := func(ctx context.Context, name, upload, artifact string) {
		GinkgoHelper()
		ver := testkit.MakeVersion(w.namespace, name, "")
		ver.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "store://" + upload}}
		w.create(ctx, ver)
		status(ctx, w, name, &v1alpha1.ApplicationVersion{}, func(v *v1alpha1.ApplicationVersion) {
			v.Status.Artifacts = []v1alpha1.Artifact{{Platform: "python", Branch: "3.11", Version: "3.11.2", SHA256: sum(artifact)}}
		})
		for k, text := range map[store.Key]string{key(store.Upload, upload): upload, key(store.Artifact, sum(artifact)): artifact} {
			_, _, err := kept.Put(ctx, k, strings.NewReader(text))
			Expect(err).NotTo(HaveOccurred())
		}
	}
	has := func(ctx context.Context, k store.Key) bool {
		GinkgoHelper()
		_, err := kept.Stat(ctx, k)
		if !errors.Is(err, store.ErrNotFound) {
			Expect(err).NotTo(HaveOccurred())
		}
		return err == nil
	}
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		var err error
		kept, err = store.NewDirectory(GinkgoT().TempDir())
		Expect(err).NotTo(HaveOccurred())
		w.reconcile = reconcile.AsReconciler(bench.Client, New(Dependencies{
			Client: bench.Client, Recorder: events.NewFakeRecorder(100), Now: w.clock.Now, Store: kept,
		}))
	})
	// two versions go: old shares its artifact with the newest, older shares nothing.
	begin := func(ctx context.Context, policy v1alpha1.SourceBundlePolicy) {
		app := testkit.MakeApplication(w.namespace)
		one := int32(1)
		none := int32(0)
		app.Spec.VersionLifecycle = &v1alpha1.VersionLifecycle{MaxCount: &one, KeepLastGood: &none, SourceBundle: policy}
		w.create(ctx, app)
		for _, v := range []struct{ name, artifact string }{{"a-older", "older"}, {"b-old", "shared"}, {"c-kept", "kept"}, {"d-newest", "shared"}} {
			bundle(ctx, v.name, "upload-"+v.name, v.artifact)
			time.Sleep(1100 * time.Millisecond) // creation times have whole seconds
		}
	}

	It("is deleted when the Application says so, unless another version has the same", func(ctx context.Context) {
		begin(ctx, v1alpha1.SourceBundleDelete)
		w.clock.Ahead = 2 * time.Hour
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(Equal([]string{"c-kept", "d-newest"}))
		Expect(has(ctx, key(store.Upload, "upload-a-older"))).To(BeFalse())
		Expect(has(ctx, key(store.Artifact, sum("older")))).To(BeFalse())
		Expect(has(ctx, key(store.Upload, "upload-b-old"))).To(BeFalse())
		Expect(has(ctx, key(store.Artifact, sum("shared")))).To(BeTrue())
		Expect(has(ctx, key(store.Upload, "upload-d-newest"))).To(BeTrue())
	})

	It("stays while it is younger than an hour: a build may have just stored the same", func(ctx context.Context) {
		begin(ctx, v1alpha1.SourceBundleDelete)
		w.clock.Ahead = 10 * time.Second
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(Equal([]string{"c-kept", "d-newest"}))
		Expect(has(ctx, key(store.Artifact, sum("older")))).To(BeTrue())
	})

	It("stays by default", func(ctx context.Context) {
		begin(ctx, "")
		w.clock.Ahead = 2 * time.Hour
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(Equal([]string{"c-kept", "d-newest"}))
		Expect(has(ctx, key(store.Upload, "upload-a-older"))).To(BeTrue())
	})

	It("goes with the Application", func(ctx context.Context) {
		begin(ctx, v1alpha1.SourceBundleDelete)
		w.clock.Ahead = 2 * time.Hour
		w.mustPass(ctx)
		Expect(bench.Client.Delete(ctx, w.application(ctx))).To(Succeed())
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(BeEmpty())
		Expect(has(ctx, key(store.Upload, "upload-d-newest"))).To(BeFalse())
	})
})
