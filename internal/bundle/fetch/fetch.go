// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Options are what all downloads share.
type Options struct {
	Guard Guard
	// Credentials is the folder of a mounted Secret; empty for none.
	Credentials string
	// Tries and Pause say how often and after how long a download that may succeed later is repeated.
	Tries int
	Pause time.Duration
	// Stall is how long a body may bring nothing; a minute when zero.
	Stall time.Duration
	// TLS and Resolver are the system's when nil.
	TLS      *tls.Config
	Resolver *net.Resolver
}

// Sink takes an object from its start. It may be called again after a failure of the network.
type Sink func(body io.Reader, size int64) error

// Download hands the bytes behind an address to sink.
func Download(ctx context.Context, address string, o Options, sink Sink) error {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return report.Fail(report.FetchFailed, "The bundle's address is not valid. Write it as https://host/path, s3://bucket/key, oci://registry/name:tag or store://NAME.")
	}
	if parsed.User != nil {
		return report.Fail(report.FetchFailed, "The bundle's address holds a user name. Put credentials into a Secret and name it in secretRef.")
	}
	get := map[string]func(context.Context, *url.URL, Sink) error{"https": o.https, "s3": o.s3, "oci": o.oci}[parsed.Scheme]
	if get == nil {
		return report.Fail(report.FetchFailed, "Bundles are not fetched over %q. Use https, s3, oci or store.", parsed.Scheme)
	}
	for try := 1; ; try++ {
		err := get(ctx, parsed, sink)
		if err == nil || try >= o.Tries || !report.AsFailure(err).Retry || report.AsFailure(err).Reason != report.FetchFailed {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(o.Pause * time.Duration(try)):
		}
	}
}

func (o Options) stall() time.Duration { return cmp.Or(o.Stall, time.Minute) }

// secret reads one key of the mounted Secret; empty when there is none.
func (o Options) secret(key string) (string, error) {
	if o.Credentials == "" {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(o.Credentials, key))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", report.Fail(report.FetchFailed, "The key %s of the Secret with the credentials cannot be read.", key)
	}
	return strings.TrimSpace(string(text)), nil
}

// unreachable words an error of the network, without the address, which may hold a signature.
func unreachable(what string, err error) error {
	var f *report.Failure
	if errors.As(err, &f) {
		return f
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return report.FailForNow(report.FetchFailed, "The bundle could not be fetched from %s: %v. Check the address and whether the host is reachable from the cluster.", what, err)
}
