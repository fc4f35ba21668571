// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy

import "slices"

// Clone is the same Deployment, to go on by itself.
func (d *Deployment) Clone() Deployment {
	out := *d
	out.Sets = make([]*Set, len(d.Sets))
	for i, s := range d.Sets {
		set := *s
		set.Instances = slices.Clone(s.Instances)
		for j, x := range set.Instances {
			instance := *x
			set.Instances[j] = &instance
		}
		out.Sets[i] = &set
	}
	return out
}
