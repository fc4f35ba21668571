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
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

func answer(code int, diagnostics ...transport.Diagnostic) error {
	return &transport.Error{StatusCode: code, Errors: diagnostics}
}

func requested(err error) error {
	return &url.Error{Op: "Get", URL: "https://registry.example/v2/", Err: err}
}

func dialled(err error) error {
	return requested(&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 443}, Err: err})
}

func TestClassify(t *testing.T) {
	t.Parallel()
	const (
		push   = "Push the image, or create a version with another reference."
		accept = "Create a version with a reference that the registry accepts."
		secret = "Create a version whose source.image.pullSecretRef names a Secret with credentials for registry.example."
	)
	for _, tc := range []struct {
		name string
		err  error
		want Problem
	}{
		{
			"manifest unknown", answer(404, transport.Diagnostic{Code: "MANIFEST_UNKNOWN", Message: "manifest unknown", Detail: "secret detail"}),
			Problem{true, "registry.example has no registry.example/shop:41 (MANIFEST_UNKNOWN: manifest unknown)", push},
		},
		{
			"name unknown, without message", answer(404, transport.Diagnostic{Code: "NAME_UNKNOWN"}),
			Problem{true, "registry.example has no registry.example/shop:41 (NAME_UNKNOWN)", push},
		},
		{"404 without document", answer(404), Problem{true, "registry.example has no registry.example/shop:41 (404 Not Found)", push}},
		{
			"unauthorized", answer(401, transport.Diagnostic{Code: "UNAUTHORIZED", Message: "authentication required"}),
			Problem{true, "registry.example does not let Beanpod read registry.example/shop:41 (UNAUTHORIZED: authentication required)", secret},
		},
		{
			"denied", answer(403, transport.Diagnostic{Code: "DENIED", Message: "no"}, transport.Diagnostic{Code: "DENIED", Message: "really"}),
			Problem{true, "registry.example does not let Beanpod read registry.example/shop:41 (DENIED: no; DENIED: really)", secret},
		},
		{
			"invalid name", answer(400, transport.Diagnostic{Code: "NAME_INVALID", Message: "invalid name"}),
			Problem{true, "registry.example refuses registry.example/shop:41 (NAME_INVALID: invalid name)", accept},
		},
		{"method not allowed", answer(405), Problem{true, "registry.example refuses registry.example/shop:41 (405 Method Not Allowed)", accept}},
		{"internal error", answer(500), Problem{false, "registry.example answers 500 Internal Server Error", ""}},
		{"unavailable", answer(503, transport.Diagnostic{Code: "UNAVAILABLE", Message: "later"}), Problem{false, "registry.example answers UNAVAILABLE: later", ""}},
		{"too many requests", answer(429, transport.Diagnostic{Code: "TOOMANYREQUESTS", Message: "slow down"}), Problem{false, "registry.example answers TOOMANYREQUESTS: slow down", ""}},
		{"request timeout", answer(408), Problem{false, "registry.example answers 408 Request Timeout", ""}},
		{"unknown status", answer(522), Problem{false, "registry.example answers 522", ""}},
		{"deadline", requested(context.DeadlineExceeded), Problem{false, "registry.example does not answer in time", ""}},
		{"dial timeout", dialled(os.ErrDeadlineExceeded), Problem{false, "registry.example does not answer in time", ""}},
		{"shutdown", requested(context.Canceled), Problem{false, "the question to registry.example was cut short", ""}},
		{"refused", dialled(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Problem{false, "registry.example refuses connections", ""}},
		{"reset", dialled(os.NewSyscallError("read", syscall.ECONNRESET)), Problem{false, "registry.example breaks the connection off", ""}},
		{"end of file", requested(io.EOF), Problem{false, "registry.example breaks the connection off", ""}},
		{"no route", dialled(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Problem{false, "registry.example cannot be reached", ""}},
		{
			"unknown name", dialled(&net.DNSError{Name: "registry.example", IsNotFound: true, Server: "10.96.0.10:53"}),
			Problem{false, "the name registry.example is not in DNS", ""},
		},
		{
			"name server is down", dialled(&net.DNSError{Name: "auth.example", IsTimeout: true, Err: "read udp 10.0.0.7:40312->10.96.0.10:53: i/o timeout"}),
			Problem{false, "the name auth.example cannot be looked up now", ""},
		},
		{"unknown authority", requested(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), Problem{false, "registry.example has a certificate of an unknown authority", ""}},
		{"wrong host name", requested(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}), Problem{false, "registry.example has a certificate for another name", ""}},
		{"expired", requested(x509.CertificateInvalidError{Reason: x509.Expired, Detail: time.Now().String()}), Problem{false, "registry.example has a certificate that has expired or is not yet valid", ""}},
		{"invalid", requested(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}), Problem{false, "registry.example has a certificate that is not valid", ""}},
		{"no TLS", requested(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), Problem{false, "registry.example does not speak TLS", ""}},
		{
			"plain HTTP", requested(errors.New("http: server gave HTTP response to HTTPS client")),
			Problem{false, "registry.example cannot be asked (http: server gave HTTP response to HTTPS client)", ""},
		},
		{
			"metadata server", dialled(&forbidden{netip.MustParseAddr("169.254.169.254"), "link-local"}),
			Problem{true, "registry.example leads to a link-local address, which Beanpod does not ask", "Create a version with the registry's public or cluster address."},
		},
		{
			"token server's body is not repeated", fmt.Errorf("no token in bearer response:\n%s", "CANARY"),
			Problem{false, "registry.example gives an answer that is not a registry's (no token in bearer response:)", ""},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := classify(name.MustParseReference("registry.example/shop:41"), nil, tc.err)
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("classify(%v) (-want +got):\n%s", tc.err, diff)
			}
		})
	}
}

func TestAdviceKnowsTheSecret(t *testing.T) {
	t.Parallel()
	denied := answer(http.StatusForbidden)
	ref := name.MustParseReference("registry.example/shop:41")
	for auths, want := range map[string]string{
		`"registry.example":{"username":"a"}`: "Put credentials that may read it into Secret regcred.",
		`"other.example":{"username":"a"}`:    "Add credentials for registry.example to Secret regcred: it has none.",
	} {
		keys, err := NewCredentials(dockerConfig(auths))
		if err != nil {
			t.Fatalf("NewCredentials: %v", err)
		}
		if got := classify(ref, keys, denied).Next; got != want {
			t.Errorf("Next = %q, want %q", got, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "manifest unknown", "manifest unknown"},
		{"lines", "a\nb\tc\r\nd", "a b c  d"},
		{"escape sequences", "\x1b[31mred\x1b[0m", "\uFFFD[31mred\uFFFD[0m"},
		{"direction override", "a\u202Eb", "a\uFFFDb"},
		{"broken UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("é", 150), strings.Repeat("é", 98) + "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := clean(tc.in)
			if got != tc.want {
				t.Errorf("clean(%q) = %q, want %q", tc.in, got, tc.want)
			}
			if len(got) > maxQuote {
				t.Errorf("clean(%q) has %d bytes", tc.in, len(got))
			}
		})
	}
}
