// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: one file for each command. It decides nothing about environments that their status does not say. I/O:
// it talks to the API server, the terminal and the working directory, all of which Options inject. cmd/beanpod calls it.
package cli
