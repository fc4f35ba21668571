// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// Phases of a Cluster in which its primary may serve: whether it does is asked all the same. In any other one, and in those of later releases
// of CloudNativePG, the database counts as not ready.
var serving = []string{
	"Cluster in healthy state",
	"Creating a new replica",
	"Upgrading cluster",
	"Cluster upgrade delayed",
	"Waiting for user action",
	"Online upgrade in progress",
	"Applying configuration",
	"Waiting for the instances to become active",
	"Unable to create required cluster objects",
}

// Phases that end only when somebody does something, with what to do.
var stuck = map[string]string{
	"Cluster is unrecoverable and needs manual intervention":                            "see the documentation of CloudNativePG, and restore a snapshot if there is one",
	"Cluster cannot proceed to reconciliation due to an unknown plugin being required":  "remove the plugin from the Cluster, or install it",
	"Cluster has incomplete or invalid image catalog":                                   "correct the image catalog",
	"Cluster cannot execute instance online upgrade due to missing architecture binary": "use images of CloudNativePG's operator for every architecture of the nodes",
	"Invalid cluster definition":                                                        "see the events of the Cluster",
	"Not enough disk space":                                                             "raise spec.storage",
}

// Read says what the Cluster's status says.
func (Provider) Read(w database.Wanted, have database.Objects) database.Facts {
	cluster := have[clusterRef(w)]
	if cluster == nil {
		return database.Facts{}
	}
	phase := text(cluster, "status", "phase")
	facts := database.Facts{
		Exists: true, Deleting: cluster.GetDeletionTimestamp() != nil, ID: string(cluster.GetUID()),
		EngineVersion: version(cluster), Storage: smallest(w, have),
	}
	if service := text(cluster, "status", "writeService"); service != "" {
		facts.Host, facts.Port = service+"."+w.Namespace+".svc", port
	}
	facts.Ready = facts.Host != "" && slices.Contains(serving, phase) && primaryServes(cluster)
	advice, isStuck := stuck[phase]
	facts.Failed = isStuck
	facts.Message = message(w, cluster, facts.Ready, advice)
	return facts
}

// primaryServes says whether the server that takes writes is up. The condition Ready does not say it: it is False while a replica is made, and
// was seen True with a primary that somebody fenced.
func primaryServes(cluster *unstructured.Unstructured) bool {
	primary := text(cluster, "status", "currentPrimary")
	healthy, _, _ := unstructured.NestedStringSlice(cluster.Object, "status", "instancesStatus", "healthy")
	return primary != "" && primary == text(cluster, "status", "targetPrimary") &&
		number(cluster, "status", "readyInstances") > 0 && slices.Contains(healthy, primary)
}

func message(w database.Wanted, cluster *unstructured.Unstructured, ready bool, advice string) string {
	phase := text(cluster, "status", "phase")
	var parts []string
	switch ups, wants := number(cluster, "status", "readyInstances"), number(cluster, "spec", "instances"); {
	case phase == "":
		parts = append(parts, fmt.Sprintf("CloudNativePG has not said anything of Cluster %s yet; check that its operator runs and watches namespace %s", w.Resource, w.Namespace))
	case ready && ups < wants:
		parts = append(parts, fmt.Sprintf("Cluster %s takes connections, with %d of %d servers ready: %s", w.Resource, ups, wants, phase))
	case ready:
		parts = append(parts, fmt.Sprintf("Cluster %s takes connections", w.Resource))
	default:
		parts = append(parts, fmt.Sprintf("Cluster %s does not take connections (%d of %d servers are ready): %s", w.Resource, ups, wants, phase))
	}
	if reason := text(cluster, "status", "phaseReason"); reason != "" && !ready {
		parts[0] += ": " + reason
	}
	if advice != "" {
		parts = append(parts, advice)
	}
	for _, more := range []string{refusal(w, cluster), roleTrouble(cluster)} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, "; ")
}

// version is the tag of the image that runs, or at least its major version.
func version(cluster *unstructured.Unstructured) string {
	image, _, _ := strings.Cut(text(cluster, "status", "image"), "@")
	tag := image[strings.LastIndex(image, ":")+1:]
	end := strings.IndexFunc(tag, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		tag = tag[:end]
	}
	if m := number(cluster, "status", "pgDataImageInfo", "majorVersion"); m > 0 {
		return cmp.Or(within(tag, m), fmt.Sprint(m))
	}
	return ""
}

// within is a tag if it is a version of the major one, which says that a part of an image's name is none.
func within(tag string, majorVersion int64) string {
	if major(tag) == majorVersion {
		return strings.TrimRight(tag, ".")
	}
	return ""
}

// smallest is the size that every volume has by now.
func smallest(w database.Wanted, have database.Objects) v1alpha1.StorageSize {
	var least int64
	for ref, object := range have {
		if ref.Kind != volumeKind.Kind || object == nil || object.GetLabels()[clusterLabel] != w.Resource {
			continue
		}
		q, err := resource.ParseQuantity(text(object, "status", "capacity", "storage"))
		if err == nil && q.Value()>>20 > 0 && (least == 0 || q.Value()>>20 < least) {
			least = q.Value() >> 20
		}
	}
	return database.Size(least)
}
