// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"net/http"
	"net/url"

	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// mostRedirects is how often a server may send us elsewhere.
const mostRedirects = 5

func (o Options) https(ctx context.Context, address *url.URL, sink Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return report.Fail(report.FetchFailed, "The bundle's address is not valid.")
	}
	if err := o.authorize(request); err != nil {
		return err
	}
	caller := &http.Client{Transport: o.transport(), CheckRedirect: redirect}
	response, err := caller.Do(request)
	if err != nil {
		return unreachable(address.Host, err)
	}
	response.Body = client.Watch(response.Body, o.stall(), cancel)
	defer response.Body.Close()
	if err := status(response.StatusCode, address.Host); err != nil {
		return err
	}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return report.Fail(report.FetchFailed, "The server %s sends the bundle with content encoding %q. It must send the file as it is.", address.Host, encoding)
	}
	return sink(response.Body, response.ContentLength)
}

func (o Options) authorize(request *http.Request) error {
	token, err := o.secret("token")
	if err != nil {
		return err
	}
	user, err := o.secret("username")
	if err != nil {
		return err
	}
	password, err := o.secret("password")
	switch {
	case err != nil:
		return err
	case token != "":
		request.Header.Set("Authorization", "Bearer "+token)
	case user != "" || password != "":
		request.SetBasicAuth(user, password)
	}
	return nil
}

// redirect follows a few redirects, never away from TLS, and leaves the credentials with the host for which they are meant.
func redirect(next *http.Request, before []*http.Request) error {
	switch {
	case len(before) > mostRedirects:
		return report.Fail(report.FetchFailed, "The server sends the download elsewhere more than %d times. Give the final address.", mostRedirects)
	case next.URL.Scheme != "https":
		return report.Fail(report.FetchFailed, "The server sends the download from https to %q. Give an address that stays on https.", next.URL.Scheme)
	case next.URL.User != nil:
		return report.Fail(report.FetchFailed, "The server sends the download to an address with a user name. Give the final address.")
	}
	next.Header.Del("Referer")
	if next.URL.Host != before[0].URL.Host {
		next.Header.Del("Authorization")
	}
	return nil
}

// status words an answer that is not the bundle.
func status(code int, server string) error {
	switch {
	case code == http.StatusOK:
		return nil
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return report.Fail(report.FetchFailed, "The server %s refused with status %d. Check the credentials in secretRef.", server, code)
	case code == http.StatusNotFound || code == http.StatusGone:
		return report.Fail(report.FetchFailed, "The server %s has no such bundle (status %d). Check the address.", server, code)
	case code == http.StatusTooManyRequests || code >= 500:
		return report.FailForNow(report.FetchFailed, "The server %s answered with status %d. Try again later.", server, code)
	}
	return report.Fail(report.FetchFailed, "The server %s answered with status %d. Check the address.", server, code)
}
