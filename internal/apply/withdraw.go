// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Withdraw deletes what makes pods of an Environment that is going away, and names what is still there of it. Each such child stays
// until its pods are gone. Everything else is collected after the Environment.
func (a *Applier) Withdraw(ctx context.Context, env *v1alpha1.Environment, have snapshot.Children) ([]string, error) {
	var left []string
	var errs []error
	for _, child := range slices.SortedFunc(maps.Keys(have), func(a, b naming.Child) int { return strings.Compare(a.String(), b.String()) }) {
		live := have[child]
		if !metav1.IsControlledBy(live, env) || child.Kind != naming.Deployment && child.Kind != naming.Job {
			continue
		}
		left = append(left, child.String())
		if live.GetDeletionTimestamp() == nil {
			errs = append(errs, a.remove(ctx, child, live, metav1.DeletePropagationForeground))
		}
	}
	return left, errors.Join(errs...)
}
