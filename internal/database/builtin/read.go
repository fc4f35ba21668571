// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

func host(w database.Wanted) string { return w.Resource + "." + w.Namespace + ".svc" }

// Read implements database.Provider. The ID is that of the volume, because that is where the data are: a StatefulSet that somebody
// deletes is made again and finds them, and a volume with another ID is not the one that had them.
func (Provider) Read(w database.Wanted, have database.Objects) database.Facts {
	s, v := have[statefulSet(w)], have[volume(w)]
	out := database.Facts{Exists: s != nil || v != nil}
	if !out.Exists {
		return out
	}
	out.Deleting = deleting(s) || deleting(v)
	if v != nil {
		out.ID, out.Storage = string(v.GetUID()), capacity(v)
	}
	if s == nil {
		out.Message = fmt.Sprintf("StatefulSet %s is gone; its volume %s is there.", w.Resource, volume(w).Name)
		return out
	}
	out.Host, out.Port, out.EngineVersion = host(w), Port, recorded(w, have)
	if out.Ready = running(w, have) && !out.Deleting; out.Ready {
		if now, wanted := database.Mebibytes(out.Storage), database.Mebibytes(w.Storage); out.Storage != "" && now < wanted {
			out.Message = fmt.Sprintf("The volume %s has %s and was asked to grow to %s. %s", volume(w).Name, out.Storage, w.Storage, growth(v))
		}
		return out
	}
	out.Message, out.Failed = why(w, have)
	return out
}

func deleting(o *unstructured.Unstructured) bool { return o != nil && o.GetDeletionTimestamp() != nil }

// why a server does not take connections, and whether it stays so until somebody does something.
func why(w database.Wanted, have database.Objects) (string, bool) {
	if text, failed := volumeTrouble(w, have[volume(w)]); failed {
		return text, true
	}
	p := jobs.Pod(have[pod(w)])
	if p == nil {
		return conditionOf(have[statefulSet(w)], fmt.Sprintf("StatefulSet %s has no pod yet.", w.Resource)), false
	}
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if text, failed := containerTrouble(w, s); text != "" {
			return text, failed
		}
	}
	if text := cmp.Or(jobs.Waiting(p), closed(p)); text != "" {
		return text, false
	}
	return fmt.Sprintf("Pod %s starts. See its log: kubectl logs -n %s %s", p.Name, w.Namespace, p.Name), false
}

// volumeTrouble is a volume that nobody makes.
func volumeTrouble(w database.Wanted, v *unstructured.Unstructured) (string, bool) {
	if v == nil {
		return "", false
	}
	if phase, _, _ := unstructured.NestedString(v.Object, "status", "phase"); phase != string(corev1.ClaimPending) && phase != string(corev1.ClaimLost) {
		return "", false
	}
	class, named, _ := unstructured.NestedString(v.Object, "spec", "storageClassName")
	if bound, _, _ := unstructured.NestedString(v.Object, "spec", "volumeName"); bound != "" {
		return fmt.Sprintf("The volume of PersistentVolumeClaim %s is lost: PersistentVolume %s does not exist, or its spec.claimRef has another UID. Bring it back; nothing is made in its place.", v.GetName(), bound), true
	}
	if !named || class == "" {
		return fmt.Sprintf("PersistentVolumeClaim %s waits for a volume, but the cluster has no default StorageClass. Mark one as default, or set parameters.builtIn.storageClassName in DatabaseClass %s for new databases.",
			v.GetName(), w.Class), true
	}
	return "", false
}

// containerTrouble is why a container does not run; empty when nothing is wrong with it.
func containerTrouble(w database.Wanted, s corev1.ContainerStatus) (string, bool) {
	if wait := s.State.Waiting; wait != nil {
		switch wait.Reason {
		case "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull":
			if s.Name == Fetch {
				return fmt.Sprintf("The image %s of the operator cannot be pulled: %s", s.Image, jobs.Clip(wait.Message)), true
			}
			return fmt.Sprintf("The image %s cannot be pulled: %s Check parameters.builtIn.image of DatabaseClass %s and engine.version.", s.Image, jobs.Clip(wait.Message), w.Class), true
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return fmt.Sprintf("Container %s of pod %s-0 cannot be made: %s", s.Name, w.Resource, jobs.Clip(wait.Message)), true
		}
	}
	last := s.State.Terminated
	if last == nil && s.State.Waiting != nil {
		last = s.LastTerminationState.Terminated
	}
	if last == nil || last.ExitCode == 0 {
		return "", false
	}
	if s.Name == Fetch {
		return fmt.Sprintf("Snapshot %s cannot be fetched: %s Check spec.restoreFrom.snapshotName; it counts only at creation, so make another DatabaseClaim.", w.Restore, jobs.Said(last)), true
	}
	return fmt.Sprintf("PostgreSQL does not start: %s See kubectl logs -n %s %s-0 --previous", jobs.Said(last), w.Namespace, w.Resource), true
}

// closed is a server that nobody can use; empty when there is none.
func closed(p *corev1.Pod) string {
	if p == nil {
		return ""
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running != nil && s.Name == Server && s.Started != nil && *s.Started && !s.Ready {
			return fmt.Sprintf("PostgreSQL runs in pod %s, but the user of the Secret cannot log in. See kubectl describe pod and the pod's log.", p.Name)
		}
	}
	return ""
}

// conditionOf is why a StatefulSet cannot make its pod, else the text.
func conditionOf(s *unstructured.Unstructured, text string) string {
	conditions, _, _ := unstructured.NestedSlice(s.Object, "status", "conditions")
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok {
			if message, _ := c["message"].(string); message != "" {
				return text + " " + jobs.Clip(message)
			}
		}
	}
	return text
}

// growth says how far the volume is.
func growth(v *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(v.Object, "status", "conditions")
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["status"] == "True" {
			message, _ := c["message"].(string)
			kind, _ := c["type"].(string)
			return strings.TrimSpace(kind + " " + jobs.Clip(message))
		}
	}
	return "Whether it can, its StorageClass says: allowVolumeExpansion."
}

func requested(v *unstructured.Unstructured) resource.Quantity {
	text, _, _ := unstructured.NestedString(v.Object, "spec", "resources", "requests", "storage")
	return parsed(text)
}

func parsed(text string) resource.Quantity {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}
	}
	return q
}

// capacity is what a volume has, rounded down to the sizes of claims; empty while it is not known.
func capacity(v *unstructured.Unstructured) v1alpha1.StorageSize {
	text, _, _ := unstructured.NestedString(v.Object, "status", "capacity", "storage")
	q := parsed(text)
	n, unit := q.Value()>>20, "Mi"
	for _, larger := range []string{"Gi", "Ti"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	if n == 0 {
		return ""
	}
	return v1alpha1.StorageSize(fmt.Sprintf("%d%s", n, unit))
}
