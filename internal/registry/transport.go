// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// maxBody bounds what a registry may send; manifests are far smaller.
const maxBody = 8 << 20

// newTransport dials only what the guard allows. It has no proxy: a proxy would dial for us, past the guard.
func newTransport(g guard) bounded {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, ControlContext: g.control}
	return bounded{&http.Transport{
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     30 * time.Second,
		MaxIdleConns:        32,
		MaxIdleConnsPerHost: 4,
	}}
}

// bounded fails, rather than truncates, a body that is too long: a digest is computed from it.
type bounded struct{ inner http.RoundTripper }

// RoundTrip sends the request and bounds the answer.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.inner.RoundTrip(req)
	if err == nil && resp.Body != nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxBody)
	}
	return resp, err
}

// roomy is bounded, but for the layers of images: they are streamed, and registries send one on to where they keep it.
type roomy struct{ bounded }

// RoundTrip sends the request and bounds the answer.
func (r roomy) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response == nil && !strings.Contains(req.URL.Path, "/blobs/") {
		return r.bounded.RoundTrip(req)
	}
	resp, err := r.inner.RoundTrip(req)
	if err == nil && resp.Body != nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxBlob)
	}
	return resp, err
}

// guard decides which addresses may be dialled. It sees the address after name resolution, for each connection, so neither
// a name nor a redirect nor a token server's address leads around it. Private networks are allowed: registries live there.
type guard struct{ allowLoopback bool }

// forbidden is the error of a dial that the guard refused.
type forbidden struct {
	address netip.Addr
	kind    string
}

// Error says which address was refused and why.
func (f *forbidden) Error() string { return fmt.Sprintf("%s is a %s address", f.address, f.kind) }

func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading address %q: %w", address, err)
	}
	return g.check(target.Addr())
}

func (g guard) check(address netip.Addr) error {
	for _, candidate := range meanings(address.WithZone("").Unmap()) {
		if kind := g.kind(candidate); kind != "" {
			return &forbidden{address: address, kind: kind}
		}
	}
	return nil
}

// metadataServers are the cloud metadata services that are not on a link-local address.
var metadataServers = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	reserved    = netip.MustParsePrefix("240.0.0.0/4")
)

// kind names what forbids an address, or is empty.
func (g guard) kind(a netip.Addr) string {
	for _, server := range metadataServers {
		if a == server {
			return "cloud metadata"
		}
	}
	switch {
	case a.IsUnspecified(), thisNetwork.Contains(a):
		return "unspecified"
	case a.IsLoopback() && !g.allowLoopback:
		return "loopback"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	case reserved.Contains(a):
		return "reserved"
	default:
		return ""
	}
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
)

// meanings returns the address and the IPv4 address that a translator would make of it: an IPv6 address can smuggle one.
func meanings(a netip.Addr) []netip.Addr {
	out := []netip.Addr{a}
	if a.Is4() || a.IsLoopback() || a.IsUnspecified() {
		return out
	}
	b := a.As16()
	switch {
	case nat64.Contains(a), compatible.Contains(a):
		out = append(out, netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(a):
		out = append(out, netip.AddrFrom4([4]byte(b[2:6])))
	}
	return out
}
