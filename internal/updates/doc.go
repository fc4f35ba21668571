// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package updates decides which platform version an Environment is to run, and when: managed updates inside their weekly
// window, the weekly refresh of instances, and updates that were asked for. Pure: it reads no clock. internal/settings calls it.
package updates
