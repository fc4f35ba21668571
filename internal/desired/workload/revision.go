// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// templateOf is the pod template of a slot: the one that was kept of its revision; without one, made from the settings when the slot
// runs what is wanted, otherwise the one that the Deployment has. What was made once is never made again, so that neither another
// operator nor another list of platform versions replaces an instance.
func templateOf(s settings.Settings, slot plan.Slot, now snapshot.Snapshot) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	if _, kept := now.Revisions[slot.Template]; !kept && slot.Revision == s.Revision {
		return pod.Template(s, slot.Name), nil
	}
	raw, err := keptTemplate(slot, now)
	if err != nil {
		return nil, err
	}
	return pod.Kept(raw, slot.Name, slot.Content)
}

func keptTemplate(slot plan.Slot, now snapshot.Snapshot) ([]byte, error) {
	if kept, ok := now.Revisions[slot.Template]; ok {
		return kept.Raw, nil
	}
	live := now.Slots[slot.Name]
	if live.Live == nil || live.Revision != slot.Revision {
		return nil, fmt.Errorf("the pod template of revision %s is not kept anywhere", slot.Template)
	}
	return json.Marshal(live.Live)
}

// Revision keeps the pod template of a slot, so that a rollback needs nothing but the cluster.
func Revision(s settings.Settings, slot plan.Slot, now snapshot.Snapshot) (object.Object, error) {
	child := naming.Child{Kind: naming.ControllerRevision, Name: naming.Revision(s.Name, slot.Template)}
	raw, err := keptTemplate(slot, now)
	if slot.Revision == s.Revision {
		raw, err = json.Marshal(pod.Template(s, slot.Name))
	}
	if err != nil {
		return object.Object{Child: child}, err
	}
	annotations := object.Annotations(s)
	content := slot.Content
	content.Revision = content.Template
	identity(content, annotations)
	config := appsv1ac.ControllerRevision(child.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(annotations).WithOwnerReferences(object.Owner(s)).
		WithRevision(slot.Rollout.ID).WithData(runtime.RawExtension{Raw: raw})
	obj, err := object.New(child, config)
	obj.Once = true
	return obj, err
}
