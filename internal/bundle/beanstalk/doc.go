// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package beanstalk reads the files by which a bundle speaks to Elastic Beanstalk: Procfile, Buildfile, .platform, .ebextensions and
// cron.yaml. It only reads, from the file system that it is given, and says about everything it finds what becomes of it. Called by
// bundle/build.
package beanstalk
