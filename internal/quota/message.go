// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"fmt"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// maxNamed is how many shortages a message names; the others are counted.
const maxNamed = 3

// Message is one sentence about shortages, with the next step; empty when there are none. fewer is a policy that would need fewer
// instances at once, to be proposed; empty when there is none.
func Message(shortages []Shortage, d Demand, fewer v1alpha1.DeploymentPolicy) string {
	if len(shortages) == 0 {
		return ""
	}
	who, they := fmt.Sprintf("%d more instances need", d.Instances), "they need"
	if d.Instances == 1 {
		who, they = "1 more instance needs", "it needs"
	}
	var parts []string
	for _, s := range shortages[:min(len(shortages), maxNamed)] {
		parts = append(parts, fmt.Sprintf("quota %s has room for %s of %s, %s %s", s.Quota, &s.Free, s.Resource, who, &s.Needed))
		who = they
	}
	if rest := len(shortages) - maxNamed; rest > 0 {
		parts = append(parts, fmt.Sprintf("%d more of the like", rest))
	}
	raise := "raise it"
	if len(shortages) > 1 {
		raise = "raise them"
	}
	if fewer == "" {
		return strings.Join(append(parts, raise+" or scale in"), "; ")
	}
	return strings.Join(append(parts, fmt.Sprintf("%s, scale in, or choose a policy that needs fewer instances at once (%s)", raise, fewer)), "; ")
}
