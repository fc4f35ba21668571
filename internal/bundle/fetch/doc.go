// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fetch downloads bundles from addresses that users chose: https, s3 and oci. I/O. Called by bundle/run. Every connection
// passes a guard that looks at the address which is really dialled; no default credentials, proxies or plain HTTP are used, and
// credentials reach only the host for which they were given.
package fetch
