// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package archive unpacks what strangers packed, and packs what a build left. I/O on one os.Root that the caller opened, nothing else.
// An archive is read by one strict reader: what two readers could understand differently is refused, headers are never trusted,
// and every limit is counted while the bytes arrive. Called by bundle/run.
package archive
