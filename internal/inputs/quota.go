// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// quotaPatience is how long Quotas waits for a cache that has not listed ResourceQuotas yet.
const quotaPatience = 5 * time.Second

// Quotas lists the ResourceQuotas of a namespace, to be read and never changed. Looking at quotas only tells earlier what the API
// server would refuse later, so whoever may not list them has none: a client says so, a cache just never gets its list.
func Quotas(ctx context.Context, reader client.Reader, namespace string) ([]corev1.ResourceQuota, error) {
	patient, cancel := context.WithTimeout(ctx, quotaPatience)
	defer cancel()
	var list corev1.ResourceQuotaList
	err := reader.List(patient, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
	switch {
	case err == nil:
		return list.Items, nil
	case apierrors.IsForbidden(err), patient.Err() != nil && ctx.Err() == nil:
		return nil, nil
	default:
		return nil, fmt.Errorf("listing ResourceQuotas: %w", err)
	}
}
