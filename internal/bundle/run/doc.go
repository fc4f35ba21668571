// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package run is the sub-commands of cmd/bundle: fetch, build, push and install for source bundles, snapshot push, snapshot fetch and
// probe for databases. I/O. It reads flags, calls the other packages in order, and always writes a report, so that whoever started the pod
// learns what happened. Called by cmd/bundle.
package run
