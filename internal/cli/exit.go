// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/beanpod-dev/beanpod/internal/cli/upload"
)

// The exit codes, as docs/spec/cli.md has them.
const (
	exitError    = 1
	exitFailed   = 2
	exitTimeout  = 3
	exitRefused  = 4
	exitDetached = 130
)

const exitCodes = `Exit codes: 0 done; 1 wrong usage, or the API server or the store cannot be used; 2 the deployment failed, was rolled back or replaced;
3 it is not over yet; 4 refused by policy or for want of rights; 130 Ctrl-C, and the deployment goes on.`

// coded is an error with an exit code of its own. Its text may be empty when everything was said before.
type coded struct {
	code int
	text string
}

// Error is the text.
func (c *coded) Error() string { return c.text }

func exit(code int, format string, args ...any) error {
	return &coded{code: code, text: fmt.Sprintf(format, args...)}
}

// silent ends with a code after everything was said.
func silent(code int) error { return &coded{code: code} }

func code(err error) int {
	var own *coded
	var refusal *upload.Refusal
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &refusal) && (refusal.Code == 401 || refusal.Code == 403):
		return exitRefused
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return exitRefused
	}
	return exitError
}

func explain(err error) string {
	switch {
	case err == nil:
		return ""
	case meta.IsNoMatchError(err):
		return "the cluster does not know the kinds of Beanpod; is the operator installed there? (" + err.Error() + ")"
	}
	return err.Error()
}
