// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package condition

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Turned returns a condition if it is there after, with another status or reason than before, or nil. A changed message alone
// is no transition. Controllers make events of it.
func Turned(before, after []metav1.Condition, kind string) *metav1.Condition {
	is, was := Find(after, kind), Find(before, kind)
	if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return nil
	}
	return is
}
