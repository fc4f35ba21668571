// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	userAgent      = "beanpod"
	defaultTimeout = 20 * time.Second
)

// digestPattern is the only kind of digest that status has room for and that every container runtime pulls.
var digestPattern = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)

// Options of a Resolver. The zero value is right for production.
type Options struct {
	// AllowLoopback lets a reference point at the operator's own machine, where development clusters keep their registry.
	AllowLoopback bool
	// Timeout bounds one question, however many requests it takes. Defaults to 20 seconds.
	Timeout time.Duration
}

// Resolver asks registries. It is safe for concurrent use and keeps connections, so a process needs one.
type Resolver struct {
	transport http.RoundTripper
	timeout   time.Duration
}

// New returns a Resolver.
func New(o Options) *Resolver {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Resolver{transport: newTransport(guard{allowLoopback: o.AllowLoopback}), timeout: o.Timeout}
}

// Digest returns the digest that the reference stands for now. It asks once, without retries: the caller decides when to ask
// again. A reference with a digest is asked for as well, so that one that does not exist is found before it is deployed.
// Every error is a *Problem.
func (r *Resolver) Digest(ctx context.Context, reference string, keys *Credentials) (string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", invalidReference(reference, err)
	}
	asked, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	digest, err := r.ask(asked, ref, keys)
	switch {
	case err != nil:
		return "", classify(ref, keys, err)
	case !digestPattern.MatchString(digest):
		return "", unusableDigest(ref, digest)
	default:
		return digest, nil
	}
}

// ask sends the cheapest question, HEAD, first. Its refusals have no text and some registries answer it badly, so anything
// but a network failure is asked again with GET, whose answer counts.
func (r *Resolver) ask(ctx context.Context, ref name.Reference, keys *Credentials) (string, error) {
	options := []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(keys),
		remote.WithTransport(r.transport),
		remote.WithUserAgent(userAgent),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryPredicate(func(error) bool { return false }),
		remote.WithRetryStatusCodes(),
	}
	head, err := remote.Head(ref, options...)
	if err == nil {
		return head.Digest.String(), nil
	}
	if !answered(err) {
		return "", err
	}
	full, err := remote.Get(ref, options...)
	if err != nil {
		return "", err
	}
	return full.Digest.String(), nil
}

// answered says whether a HEAD failed with an answer that GET can tell more about: an HTTP status that is not about load,
// or an answer without the headers that HEAD needs.
func answered(err error) bool {
	var status *transport.Error
	if errors.As(err, &status) {
		return !passingStatus(status.StatusCode)
	}
	return !isNetwork(err)
}
