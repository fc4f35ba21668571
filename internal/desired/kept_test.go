// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/beanpod-dev/beanpod/internal/desired"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// TestTemplatesAreRenderedOnce proves that the kept template gives the same Deployment, byte for byte, and that it wins over whatever
// another operator would make of the same revision.
func TestTemplatesAreRenderedOnce(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			content := snapshot.Of(s.cfg)
			child := naming.Child{Kind: naming.ControllerRevision, Name: naming.Revision(s.cfg.Name, content.Template)}
			var kept appsv1.ControllerRevision
			find(t, s.objects, child, &kept)
			now := snapshot.Snapshot{Revisions: map[string]snapshot.Revision{
				content.Template: {Name: child.Name, Content: content, Number: 1, Raw: kept.Data.Raw},
			}}
			slot := naming.Child{Kind: naming.Deployment, Name: naming.Slot(s.cfg.Name, "a")}
			before := find(t, s.objects, slot, nil)
			cfg := s.cfg
			if a := cfg.Version.Artifact; a != nil {
				other := *a
				other.InstallerImage, other.StoreURL = "registry.example/beanpod:2", "http://elsewhere"
				cfg.Version.Artifact = &other
			}
			again, err := desired.Build(cfg, s.step, now)
			if err != nil {
				t.Fatal(err)
			}
			after := find(t, again, slot, nil)
			if before.Hash != after.Hash {
				want, _ := json.MarshalIndent(before.Intent, "", " ")
				got, _ := json.MarshalIndent(after.Intent, "", " ")
				t.Errorf("the Deployment changes (-first +second):\n%s", cmp.Diff(string(want), string(got)))
			}
			if !find(t, again, child, nil).Keep {
				t.Error("the template that is in use is not kept")
			}
		})
	}
}
