// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package condition

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTurned(t *testing.T) {
	t.Parallel()
	list := func(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: status, Reason: reason, Message: message}}
	}
	for _, tc := range []struct {
		name          string
		before, after []metav1.Condition
		want          bool
	}{
		{"appears", nil, list("True", "A", ""), true},
		{"goes", list("True", "A", ""), nil, false},
		{"other status", list("True", "A", ""), list("False", "A", ""), true},
		{"other reason", list("False", "A", ""), list("False", "B", ""), true},
		{"other message only", list("False", "A", "x"), list("False", "A", "y"), false},
		{"never there", nil, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := Turned(tc.before, tc.after, "Ready"); (got != nil) != tc.want {
				t.Errorf("Turned = %v, want one: %t", got, tc.want)
			}
		})
	}
}
