// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package outcome holds the two results, besides success and a plain error, that a stage can hand back: Wait (the world
// must move first) and Stall (somebody must change something). Pure; every stage returns them, controller/shell reads them.
package outcome

import (
	"errors"
	"time"
)

// Wait says that nothing is wrong but something must happen first. Its reason and message are for people.
type Wait struct {
	// Condition is the condition type that the reason belongs to; empty when it belongs to none but Ready.
	Condition string
	// Reason is one CamelCase word.
	Reason string
	// Message is a sentence: present state, number and limit, next step.
	Message string
	// After is when to look again even if no event arrives; zero means only an event brings us back.
	After time.Duration
}

// Error makes a Wait an error, so that stages return it like any other.
func (w *Wait) Error() string { return w.Reason + ": " + w.Message }

// Stall says that nothing will get better until somebody changes something.
type Stall struct {
	// Condition is the condition type that the reason belongs to; empty when it belongs to none but Ready.
	Condition string
	// Reason is one CamelCase word.
	Reason string
	// Message is a sentence that names the object, the field and the next step.
	Message string
	// After, when not zero, is when to look again all the same, because the cause sends no event.
	After time.Duration
}

// Error makes a Stall an error, so that stages return it like any other.
func (s *Stall) Error() string { return s.Reason + ": " + s.Message }

// AsWait returns the Wait inside err, or nil.
func AsWait(err error) *Wait {
	var w *Wait
	if errors.As(err, &w) {
		return w
	}
	return nil
}

// AsStall returns the Stall inside err, or nil.
func AsStall(err error) *Stall {
	var s *Stall
	if errors.As(err, &s) {
		return s
	}
	return nil
}
