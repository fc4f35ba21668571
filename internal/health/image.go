// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// imageReasons are the kubelet's words for an image that it cannot get, with what to do about each.
var imageReasons = map[string]string{
	"ErrImagePull":              nextStepPull,
	"ImagePullBackOff":          nextStepPull,
	"RegistryUnavailable":       nextStepPull,
	"ErrImageNeverPull":         "The node does not have the image and may not pull it: push it to a registry, or load it onto every node.",
	"ErrImageNeverPullBackOff":  "The node does not have the image and may not pull it: push it to a registry, or load it onto every node.",
	"InvalidImageName":          "Correct the image's name in the ApplicationVersion.",
	"ImageInspectError":         "The image on the node is damaged: remove it there, or push it again under another digest.",
	"SignatureValidationFailed": "Sign the image with a key that the nodes trust.",
}

const nextStepPull = "Check that the image exists and that the ApplicationVersion's pullSecretRef may read it."

func findImagePull(_ Input, pod snapshot.Instance) finding {
	for _, c := range pod.Containers {
		if _, ok := imageReasons[c.Waiting]; ok {
			return finding{status: v1alpha1.HealthSevere, container: c, detail: c.Message}
		}
	}
	return finding{}
}

// pullDetail reduces the messages of a first attempt and of the pause after it to the same text: the latter repeats the
// former behind `Back-off pulling image "…": ErrImagePull: `.
func pullDetail(message string) string {
	text := Clean(message)
	if strings.HasPrefix(strings.ToLower(text), "back-off pulling image") {
		if _, inner, ok := strings.Cut(text, "ErrImagePull: "); ok {
			text = inner
		}
	}
	return text
}

func tellImagePull(g group) string {
	f := g.first()
	message := g.some("cannot get the image", "cannot get the image") + " of container " + f.container.Name
	if detail := pullDetail(f.detail); detail != "" {
		message += ": " + detail
	}
	return fmt.Sprintf("%s %s", sentence(message), imageReasons[f.container.Waiting])
}
