// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Guard decides which addresses may be dialled. Allow wins over everything.
type Guard struct {
	Allow, Deny []netip.Prefix
}

// never are addresses that no bundle comes from, besides those that netip has words for.
var never = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "240.0.0.0/4", // this network, link-local with the metadata services, reserved and broadcast
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24", "fd00:ec2::/32", "fd20:ce::254/128", // metadata services outside link-local
	"fec0::/10", "2001::/32", "100::/64", // site-local, Teredo, discard
)

// Addresses that carry an IPv4 address, and where in the sixteen bytes.
var carriers = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, {netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2}, {netip.MustParsePrefix("::/96"), 12}, {netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// ParsePrefixes reads a list of CIDRs, separated by commas.
func ParsePrefixes(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no CIDR such as 10.0.0.0/8", text)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// Allows says whether an address may be dialled.
func (g Guard) Allows(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if within(g.Allow, address) {
		return true
	}
	if !address.IsValid() || address.IsUnspecified() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsMulticast() ||
		within(never, address) || within(g.Deny, address) {
		return false
	}
	for _, c := range carriers {
		if c.prefix.Contains(address) {
			bytes := address.As16()
			return g.Allows(netip.AddrFrom4([4]byte(bytes[c.at : c.at+4])))
		}
	}
	return true
}

func within(list []netip.Prefix, address netip.Addr) bool {
	for _, p := range list {
		if p.Contains(address) {
			return true
		}
	}
	return false
}

// control runs between name resolution and connect, so it sees what is dialled, whatever a name resolved to before.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil || !g.Allows(parsed.Addr()) {
		return report.Fail(report.FetchFailed, "The bundle's host leads to the address %s, which bundles may not be fetched from. Use a public address, or ask the administrator to allow this one.", host(address))
	}
	return nil
}

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// transport dials only what the guard allows, and no proxy.
func (o Options) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, Control: o.Guard.control, Resolver: o.Resolver}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: o.TLS, TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: time.Minute,
		DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
}
