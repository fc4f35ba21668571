// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platforms

import (
	"context"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	catalogue "github.com/beanpod-dev/beanpod/config/platforms"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestInstall lets the API server check the whole catalogue by the CRD's schema and rules, installs it twice, and changes what
// it installed.
func TestInstall(t *testing.T) {
	t.Parallel()
	config := testkit.StartAPIServer(t)
	writes := &testkit.Writes{}
	c, err := client.New(writes.Watch(config), client.Options{Scheme: testkit.Scheme()})
	check(t, err)
	ctx := t.Context()
	recorder := events.NewFakeRecorder(10)
	installer := Installer{Client: client.WithFieldValidation(c, "Strict"), Recorder: recorder}
	shipped, err := catalogue.Catalogue()
	check(t, err)

	check(t, installer.Start(ctx))
	if got := writes.Take(); len(got) != len(shipped) {
		t.Errorf("the first start wrote %v, want one write for each of %d Platforms", got, len(shipped))
	}
	check(t, installer.Start(ctx))
	if got := writes.Take(); len(got) > 0 {
		t.Errorf("the second start wrote %v", got)
	}

	t.Run("a newer catalogue replaces what nobody changed", func(t *testing.T) {
		newer := shipped[0]
		newer.Spec.Description = "newer"
		check(t, installer.install(ctx, newer))
		expectDescription(t, c, newer.Name, "newer")
	})
	t.Run("what somebody changed stays, and an event says so", func(t *testing.T) {
		newer := shipped[1]
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"description":"theirs"}}`))
		check(t, c.Patch(ctx, &v1alpha1.Platform{ObjectMeta: newer.ObjectMeta}, patch, client.FieldOwner("kubectl-edit")))
		newer.Spec.Description = "newer"
		check(t, installer.install(ctx, newer))
		expectDescription(t, c, newer.Name, "theirs")
		expectEvent(t, recorder, "kubectl-edit")
	})
	t.Run("what is annotated stays", func(t *testing.T) {
		newer := shipped[2]
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"beanpod.dev/managed":"false"}}}`))
		check(t, c.Patch(ctx, &v1alpha1.Platform{ObjectMeta: newer.ObjectMeta}, patch))
		before := newer.Spec.Description
		newer.Spec.Description = "newer"
		check(t, installer.install(ctx, newer))
		expectDescription(t, c, newer.Name, before)
	})
	t.Run("what is not ours stays", func(t *testing.T) {
		theirs := shipped[3]
		theirs.Name, theirs.ResourceVersion, theirs.Spec.Description = "cobol", "", "theirs"
		check(t, c.Create(ctx, theirs.DeepCopy()))
		theirs.Spec.Description = "newer"
		check(t, installer.install(ctx, theirs))
		expectDescription(t, c, "cobol", "theirs")
		expectEvent(t, recorder, "not made from the catalogue")
	})
	t.Run("what was deleted comes back", func(t *testing.T) {
		check(t, c.Delete(ctx, &v1alpha1.Platform{ObjectMeta: shipped[4].ObjectMeta}))
		check(t, installer.Start(ctx))
		expectDescription(t, c, shipped[4].Name, shipped[4].Spec.Description)
	})
}

// TestInstallWaitsForTheCRD starts before the kind exists.
func TestInstallWaitsForTheCRD(t *testing.T) {
	t.Parallel()
	config := testkit.StartAPIServer(t)
	scheme := testkit.Scheme()
	check(t, apiextensionsv1.AddToScheme(scheme))
	c, err := client.New(config, client.Options{Scheme: scheme})
	check(t, err)
	ctx := t.Context()
	var crd apiextensionsv1.CustomResourceDefinition
	check(t, c.Get(ctx, client.ObjectKey{Name: "platforms.beanpod.dev"}, &crd))
	check(t, c.Delete(ctx, crd.DeepCopy()))
	for c.Get(ctx, client.ObjectKeyFromObject(&crd), &apiextensionsv1.CustomResourceDefinition{}) == nil {
		time.Sleep(50 * time.Millisecond)
	}
	early, err := client.New(config, client.Options{Scheme: scheme})
	check(t, err)
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Installer{Client: early, Recorder: events.NewFakeRecorder(10)}.Start(bounded) }()
	time.Sleep(300 * time.Millisecond)
	crd.ObjectMeta.ResourceVersion, crd.ObjectMeta.UID = "", ""
	check(t, c.Create(ctx, &crd))
	check(t, <-done)
	var list v1alpha1.PlatformList
	check(t, c.List(ctx, &list))
	if shipped, _ := catalogue.Catalogue(); len(list.Items) != len(shipped) {
		t.Errorf("%d Platforms are installed, want %d", len(list.Items), len(shipped))
	}
}

func expectDescription(t *testing.T, c client.Client, name, want string) {
	t.Helper()
	var p v1alpha1.Platform
	check(t, c.Get(t.Context(), client.ObjectKey{Name: name}, &p))
	if p.Spec.Description != want {
		t.Errorf("Platform %s has description %q, want %q", name, p.Spec.Description, want)
	}
}

func expectEvent(t *testing.T, recorder *events.FakeRecorder, words string) {
	t.Helper()
	select {
	case got := <-recorder.Events:
		if !strings.Contains(got, reasonKept) || !strings.Contains(got, words) {
			t.Errorf("event %q, want %q in it", got, words)
		}
	default:
		t.Errorf("no event with %q", words)
	}
}
