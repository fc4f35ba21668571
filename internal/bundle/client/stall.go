// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"io"
	"time"
)

// Watch ends a request whose body brings nothing for a while. The returned body must be closed.
func Watch(body io.ReadCloser, idle time.Duration, cancel context.CancelFunc) io.ReadCloser {
	return &watched{ReadCloser: body, idle: idle, timer: time.AfterFunc(idle, cancel), cancel: cancel}
}

type watched struct {
	io.ReadCloser
	idle   time.Duration
	timer  *time.Timer
	cancel context.CancelFunc
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.idle)
	return w.ReadCloser.Read(p)
}

// Close also releases the request.
func (w *watched) Close() error {
	w.timer.Stop()
	err := w.ReadCloser.Close()
	w.cancel()
	return err
}
