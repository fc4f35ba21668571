// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// maxQuote is how much of a registry's own words, in bytes, a message repeats.
const maxQuote = 200

// Problem says why there is no digest. Its texts are for people, the same for the same cause (no times, ports or attempt
// counts), and free of credentials and of bodies that are not a registry's error document.
type Problem struct {
	// Definite means that asking again gives the same answer until somebody acts.
	Definite bool
	// Message is a sentence without the full stop.
	Message string
	// Next is what to do, a sentence; empty for a problem that may pass by itself.
	Next string
}

// Error makes a Problem an error.
func (p *Problem) Error() string { return p.Message }

func definite(next, format string, args ...any) *Problem {
	return &Problem{Definite: true, Message: fmt.Sprintf(format, args...), Next: next}
}

func passing(format string, args ...any) *Problem {
	return &Problem{Message: fmt.Sprintf(format, args...)}
}

func invalidReference(reference string, err error) *Problem {
	return definite("Create a version with a reference like registry.example/shop:41.",
		"%q is not an image reference (%s)", clean(reference), clean(err.Error()))
}

func unusableDigest(ref name.Reference, digest string) *Problem {
	return definite("Create a version whose image has a sha256 digest.",
		"%s gives %s the digest %q, which is not sha256", ref.Context().RegistryStr(), ref, clean(digest))
}

// classify turns whatever went wrong into a Problem.
func classify(ref name.Reference, keys *Credentials, err error) *Problem {
	var (
		host    = ref.Context().RegistryStr()
		blocked *forbidden
		status  *transport.Error
	)
	switch {
	case errors.As(err, &blocked):
		return definite("Create a version with the registry's public or cluster address.",
			"%s leads to a %s address, which Beanpod does not ask", host, blocked.kind)
	case errors.As(err, &status):
		return classifyStatus(ref, keys, status)
	case isNetwork(err):
		return classifyNetwork(host, err)
	default:
		first, _, _ := strings.Cut(err.Error(), "\n")
		return passing("%s gives an answer that is not a registry's (%s)", host, clean(first))
	}
}

func classifyStatus(ref name.Reference, keys *Credentials, status *transport.Error) *Problem {
	host, words := ref.Context().RegistryStr(), quote(status)
	switch {
	case passingStatus(status.StatusCode):
		return passing("%s answers %s", host, words)
	case status.StatusCode == http.StatusNotFound:
		return definite("Push the image, or create a version with another reference.", "%s has no %s (%s)", host, ref, words)
	case status.StatusCode == http.StatusUnauthorized, status.StatusCode == http.StatusForbidden:
		return definite(keys.advice(ref), "%s does not let Beanpod read %s (%s)", host, ref, words)
	default:
		return definite("Create a version with a reference that the registry accepts.", "%s refuses %s (%s)", host, ref, words)
	}
}

// passingStatus says whether an HTTP status is about the server's state and not about the question.
func passingStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return code < http.StatusBadRequest || code >= 499
	}
}

// quote repeats the registry's own words if it sent an error document, else the HTTP status.
func quote(status *transport.Error) string {
	var parts []string
	for _, d := range status.Errors {
		if d.Code != "" {
			parts = append(parts, strings.TrimSuffix(string(d.Code)+": "+d.Message, ": "))
		}
	}
	if len(parts) == 0 {
		return strings.TrimSpace(fmt.Sprintf("%d %s", status.StatusCode, http.StatusText(status.StatusCode)))
	}
	return clean(strings.Join(parts, "; "))
}

// isNetwork says whether no registry answered at all.
func isNetwork(err error) bool {
	var (
		request *url.Error
		network net.Error
	)
	return errors.As(err, &request) || errors.As(err, &network) || errors.Is(err, context.Canceled)
}

func classifyNetwork(host string, err error) *Problem {
	var (
		lookup  *net.DNSError
		network net.Error
	)
	switch {
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return passing("the name %s is not in DNS", clean(lookup.Name))
	case errors.As(err, &lookup):
		return passing("the name %s cannot be looked up now", clean(lookup.Name))
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return passing("%s does not answer in time", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return passing("%s refuses connections", host)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return passing("%s breaks the connection off", host)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return passing("%s cannot be reached", host)
	case errors.Is(err, context.Canceled):
		return passing("the question to %s was cut short", host)
	default:
		return classifyTLS(host, err)
	}
}

func classifyTLS(host string, err error) *Problem {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return passing("%s has a certificate of an unknown authority", host)
	case errors.As(err, &hostname):
		return passing("%s has a certificate for another name", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return passing("%s has a certificate that has expired or is not yet valid", host)
	case errors.As(err, &invalid):
		return passing("%s has a certificate that is not valid", host)
	case errors.As(err, &record):
		return passing("%s does not speak TLS", host)
	default:
		return passing("%s cannot be asked (%s)", host, clean(innermost(err).Error()))
	}
}

// innermost drops the wrappers, whose texts name URLs and ports.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// clean makes foreign text safe to show: one line, no control characters, not long.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		default:
			return r
		}
	}, text)
	if len(text) <= maxQuote {
		return text
	}
	end := maxQuote - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
