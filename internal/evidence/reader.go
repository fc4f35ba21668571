// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// LogReader reads the end of a container's log.
type LogReader interface {
	// Tail returns the first limitBytes of the last lines; with previous, of the run before the present one. It ends when the
	// context does. With an error, it returns what it could read.
	Tail(ctx context.Context, namespace, pod, container string, previous bool, lines, limitBytes int64) (string, error)
}

// Reader asks the API server, which asks the kubelet.
type Reader struct{ pods corev1client.PodsGetter }

var _ LogReader = (*Reader)(nil)

// NewReader makes a Reader that shares an HTTP client, usually the manager's.
func NewReader(config *rest.Config, shared *http.Client) (*Reader, error) {
	pods, err := corev1client.NewForConfigAndClient(config, shared)
	if err != nil {
		return nil, fmt.Errorf("making a client for logs: %w", err)
	}
	return &Reader{pods: pods}, nil
}

// Tail implements LogReader.
func (r *Reader) Tail(ctx context.Context, namespace, pod, container string, previous bool, lines, limitBytes int64) (string, error) {
	stream, err := r.pods.Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &lines, LimitBytes: &limitBytes,
	}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }() // nothing was written
	// The limit is kept here too: a kubelet may send a little more.
	text, err := io.ReadAll(io.LimitReader(stream, limitBytes))
	return string(text), err
}
