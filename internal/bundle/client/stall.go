// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// Watch ends a request whose body brings nothing for a while. The returned body must be closed.
func Watch(body io.ReadCloser, idle time.Duration, cancel context.CancelFunc) io.ReadCloser {
	w := &watched{ReadCloser: body, idle: idle, cancel: cancel}
	w.timer = time.AfterFunc(idle, func() { w.stalled.Store(true); cancel() })
	return w
}

type watched struct {
	io.ReadCloser
	idle    time.Duration
	timer   *time.Timer
	cancel  context.CancelFunc
	stalled atomic.Bool
}

// Read tells a body that was given up from one that ended: a server that sees the end of the request may end its answer in good form.
func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.idle)
	n, err := w.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && w.stalled.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err //nolint:wrapcheck // io.Reader's own error
}

// Close also releases the request.
func (w *watched) Close() error {
	w.timer.Stop()
	err := w.ReadCloser.Close()
	w.cancel()
	return err
}
