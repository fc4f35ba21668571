// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the contract between Beanpod and its users: the kinds of the group beanpod.dev, their
// condition types and reasons, and the labels and annotations that users may read or set.
//
// It holds types and constants only; it decides nothing. Everything imports it; it imports nothing of ours.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="applyconfiguration"
// +groupName=beanpod.dev
package v1alpha1
