// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import "time"

// Scaler is what is said of a scaler that is not Beanpod's: KEDA, which has a ScaledObject to scale by.
type Scaler struct {
	// Name of the ScaledObject; empty: there is none, or it is going away.
	Name string
	// Ready: KEDA says that it scales. Silent: KEDA has said nothing of it yet.
	Ready, Silent bool
	// Reason in one word, and Message, of why it does not scale, in the words of KEDA or of the HorizontalPodAutoscaler that it has.
	Reason, Message string
	// Since is when it was first seen not to be ready; zero while it is.
	Since time.Time
}
