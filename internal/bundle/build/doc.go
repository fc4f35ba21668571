// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package build makes an unpacked bundle ready to run: it runs the hooks, the Buildfile, the platform's build command and the container
// commands, in Beanstalk's order, and decides how the application is started. I/O. Called by bundle/run inside the platform's build
// image, where neither a token nor credentials are, because everything that runs here is the user's.
package build
