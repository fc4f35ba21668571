// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
)

// Failure is an error that knows its place in a Report.
type Failure struct {
	Reason Reason
	// Retry is true when the same command may succeed later.
	Retry bool
	// Text is a sentence for the user.
	Text string
}

// Error is the sentence.
func (f *Failure) Error() string { return f.Text }

// Fail makes an error that nobody mends by waiting.
func Fail(reason Reason, format string, args ...any) error {
	return &Failure{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// FailForNow makes an error that may be gone later.
func FailForNow(reason Reason, format string, args ...any) error {
	return &Failure{Reason: reason, Retry: true, Text: fmt.Sprintf(format, args...)}
}

// AsFailure finds the Failure inside an error. Whatever is none is Internal, and may be tried again.
func AsFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Reason: Internal, Retry: true, Text: err.Error()}
}
