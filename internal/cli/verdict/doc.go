// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package verdict decides from an Environment alone what became of a deployment, how long one may take, and who else sets its version.
// Pure: callers read the object and know the time. The commands of internal/cli call it.
package verdict
