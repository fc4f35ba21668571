// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"net/netip"
	"testing"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, address, want string
	}{
		{"public IPv4", "93.184.216.34", ""},
		{"public IPv6", "2606:2800:220:1::1", ""},
		{"private 10", "10.96.0.10", ""},
		{"private 172.16", "172.16.0.1", ""},
		{"private 192.168", "192.168.1.1", ""},
		{"unique local IPv6", "fd12:3456::1", ""},
		{"carrier-grade NAT", "100.64.0.1", ""},
		{"metadata IPv4", "169.254.169.254", "link-local"},
		{"credentials of containers", "169.254.170.2", "link-local"},
		{"lowest link-local", "169.254.0.0", "link-local"},
		{"highest link-local", "169.254.255.255", "link-local"},
		{"just below link-local", "169.253.255.255", ""},
		{"just above link-local", "169.255.0.0", ""},
		{"metadata, IPv4-mapped", "::ffff:169.254.169.254", "link-local"},
		{"metadata, IPv4-mapped in hexadecimal", "::ffff:a9fe:a9fe", "link-local"},
		{"metadata through NAT64", "64:ff9b::a9fe:a9fe", "link-local"},
		{"metadata through 6to4", "2002:a9fe:a9fe::1", "link-local"},
		{"metadata, IPv4-compatible", "::169.254.169.254", "link-local"},
		{"link-local IPv6", "fe80::1", "link-local"},
		{"link-local IPv6 with zone", "fe80::1%eth0", "link-local"},
		{"end of link-local IPv6", "febf:ffff::1", "link-local"},
		{"metadata of AWS over IPv6", "fd00:ec2::254", "cloud metadata"},
		{"metadata of Google over IPv6", "fd20:ce::254", "cloud metadata"},
		{"metadata of Alibaba", "100.100.100.200", "cloud metadata"},
		{"metadata of Azure", "168.63.129.16", "cloud metadata"},
		{"metadata of Oracle", "192.0.0.192", "cloud metadata"},
		{"metadata of Alibaba through NAT64", "64:ff9b::6464:64c8", "cloud metadata"},
		{"loopback", "127.0.0.1", "loopback"},
		{"other loopback", "127.255.255.254", "loopback"},
		{"loopback IPv6", "::1", "loopback"},
		{"loopback, IPv4-mapped", "::ffff:127.0.0.1", "loopback"},
		{"loopback through NAT64", "64:ff9b::7f00:1", "loopback"},
		{"loopback through 6to4", "2002:7f00:1::", "loopback"},
		{"loopback, IPv4-compatible", "::127.0.0.1", "loopback"},
		{"unspecified", "0.0.0.0", "unspecified"},
		{"this network", "0.1.2.3", "unspecified"},
		{"unspecified IPv6", "::", "unspecified"},
		{"unspecified, IPv4-mapped", "::ffff:0.0.0.0", "unspecified"},
		{"multicast", "224.0.0.1", "multicast"},
		{"administrative multicast", "239.255.255.250", "multicast"},
		{"multicast IPv6", "ff02::1", "multicast"},
		{"multicast through NAT64", "64:ff9b::e000:1", "multicast"},
		{"broadcast", "255.255.255.255", "reserved"},
		{"reserved", "240.0.0.1", "reserved"},
		{"public through NAT64", "64:ff9b::5db8:d822", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := guard{}.check(netip.MustParseAddr(tc.address))
			if got := kindOf(err); got != tc.want {
				t.Errorf("check(%s) = %q, want %q", tc.address, got, tc.want)
			}
		})
	}
}

func TestGuardAllowsLoopbackOnly(t *testing.T) {
	t.Parallel()
	g := guard{allowLoopback: true}
	for address, want := range map[string]string{
		"127.0.0.1": "", "::1": "", "::ffff:127.0.0.1": "", "64:ff9b::7f00:1": "",
		"169.254.169.254": "link-local", "0.0.0.0": "unspecified", "::": "unspecified", "ff02::1": "multicast",
	} {
		if got := kindOf(g.check(netip.MustParseAddr(address))); got != want {
			t.Errorf("check(%s) = %q, want %q", address, got, want)
		}
	}
}

func kindOf(err error) string {
	var f *forbidden
	if errors.As(err, &f) {
		return f.kind
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
