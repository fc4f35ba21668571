// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Field managers, or parts of their names, that set fields back after a while.
var reconcilers = []string{"argocd", "kustomize-controller", "helm-controller", "flux", "fleet", "helm", "pulumi", "terraform", "crossplane"}

// Reconciler names a field manager other than the caller's that owns spec.versionRef and is known to set it back, or that applied it;
// empty when there is none.
func Reconciler(env *v1alpha1.Environment, own string) string {
	for _, entry := range env.ManagedFields {
		if entry.Manager == own || entry.Subresource != "" || !ownsVersion(entry.FieldsV1) {
			continue
		}
		if entry.Operation == metav1.ManagedFieldsOperationApply {
			return entry.Manager
		}
		for _, part := range reconcilers {
			if strings.Contains(strings.ToLower(entry.Manager), part) {
				return entry.Manager
			}
		}
	}
	return ""
}

func ownsVersion(fields *metav1.FieldsV1) bool {
	var set struct {
		Spec struct {
			// Who lost the name to somebody else may still own what is around it.
			VersionRef map[string]json.RawMessage `json:"f:versionRef"`
		} `json:"f:spec"`
	}
	if fields == nil || json.Unmarshal(fields.GetRawBytes(), &set) != nil {
		return false
	}
	_, owns := set.Spec.VersionRef["f:name"]
	return owns
}
