// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package health judges how an Environment is doing: a list of checks finds causes, the worst cause gives the status word,
// and the word gives the colour. Pure: the same snapshot at the same time always gives the same health. Called by
// internal/controller/environment at the end of every pass; the command line uses Classify and Color.
//
// There are two kinds of checks. An instanceCheck explains one instance; the first one in the list that finds something
// claims it, so every instance has one explanation. A check of the whole environment sees the census of all instances.
// Adding a check is adding a value to one of the two lists.
//
// The result is written to the status only when it differs, so no message holds anything that moves by itself: no
// durations, times, restart counts or back-off intervals.
package health
