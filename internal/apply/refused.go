// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// classify tells what a user must change from what passes by itself.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(unwrap(err), corev1.NamespaceTerminatingCause):
		return &outcome.Stall{
			Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonNamespaceTerminating,
			Message: "the namespace is being deleted; nothing is made in it any more",
		}
	case apierrors.IsForbidden(unwrap(err)) && strings.Contains(err.Error(), "exceeded quota"):
		return &outcome.Stall{
			Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonQuotaExceeded, After: refusedRetry,
			Message: "the namespace's quota is full, what runs keeps running; raise the quota or ask for less: " + err.Error(),
		}
	case apierrors.IsForbidden(unwrap(err)), apierrors.IsInvalid(unwrap(err)):
		return &outcome.Stall{
			Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonWriteRefused, After: refusedRetry,
			Message: "the API server refuses a change, what runs keeps running: " + err.Error(),
		}
	default:
		return err
	}
}

// unwrap finds the first API error among joined ones.
func unwrap(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if asErr, ok := status.(error); ok {
			return asErr
		}
	}
	return err
}
