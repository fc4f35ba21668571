// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// records are what earlier passes wrote into an annotation of the Deployments, that of the newest last.
func records(env *v1alpha1.Environment, now snapshot.Snapshot, have snapshot.Children, annotation string) []string {
	var out []string
	for _, slot := range slices.Compact([]string{snapshot.SlotA, snapshot.SlotB, newest(now).Name}) {
		if _, ours := now.Slots[slot]; !ours {
			continue
		}
		d := have[naming.Child{Kind: naming.Deployment, Name: naming.Slot(env.Name, slot)}]
		if text := d.GetAnnotations()[annotation]; text != "" {
			out = append(out, text)
		}
	}
	return out
}

// recordedInputs is what an earlier pass wrote down about Secrets and ConfigMaps.
func recordedInputs(env *v1alpha1.Environment, now snapshot.Snapshot, have snapshot.Children) string {
	texts := records(env, now, have, v1alpha1.AnnotationInputs)
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

// recordedDatabases are the Secrets that were bound, by claim. Status stands in for Deployments that a rebuild deleted.
func recordedDatabases(env *v1alpha1.Environment, now snapshot.Snapshot, have snapshot.Children) map[string]string {
	out := map[string]string{}
	for _, b := range env.Status.Databases {
		if b.SecretRef != nil {
			out[b.Claim] = b.SecretRef.Name
		}
	}
	for _, text := range records(env, now, have, v1alpha1.AnnotationDatabases) {
		for claim, secret := range settings.DecodeBindings(text) {
			out[claim] = secret
		}
	}
	return out
}
