// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package client speaks with the operator's artifact store: download, upload, and patience with a store that is not there. I/O.
// Called by bundle/run. The token is read anew for each request, because the kubelet replaces it, and is sent nowhere else.
package client
