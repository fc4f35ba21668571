// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"net/netip"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	deny, err := ParsePrefixes("10.96.0.0/12, fd00:10:96::/112")
	if err != nil {
		t.Fatal(err)
	}
	plain := Guard{Deny: deny}
	for list, allowed := range map[string]bool{
		// Everywhere else, also in private networks.
		"1.1.1.1 8.8.8.8 10.0.0.1 10.95.255.255 172.16.0.1 192.168.0.1 100.64.0.1 203.0.113.1 2606:4700::1111 fd12::1 2a00::1 64:ff9b::808:808 2002:808:808::1": true,
		// Ourselves.
		"127.0.0.1 127.1.2.3 127.255.255.255 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::127.0.0.1 2002:7f00:1::1 ::ffff:0:127.0.0.1": false,
		"0.0.0.0 0.0.0.1 0.255.255.255 :: ::ffff:0.0.0.0 64:ff9b::":                                                                                   false,
		// Link-local and metadata.
		"169.254.0.1 169.254.169.254 169.254.170.2 ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: fe80::1 fe80::1%eth0 febf::1 fec0::1": false,
		"100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254 ::ffff:100.100.100.200 2001::1 100::1":                                                  false,
		// Many at once.
		"224.0.0.1 239.255.255.255 ff02::1 ff05::2 255.255.255.255 240.0.0.1 ::ffff:224.0.0.1": false,
		// The cluster's services, as denied.
		"10.96.0.1 10.111.255.255 ::ffff:10.96.0.1 64:ff9b::a60:1 fd00:10:96::1": false,
	} {
		for address := range strings.FieldsSeq(list) {
			if got := plain.Allows(netip.MustParseAddr(address)); got != allowed {
				t.Errorf("%s: allowed %v, want %v", address, got, allowed)
			}
		}
	}
	allow, err := ParsePrefixes("127.0.0.0/8,10.96.1.0/24")
	if err != nil {
		t.Fatal(err)
	}
	excepted := Guard{Allow: allow, Deny: deny}
	for address, want := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "10.96.1.7": true, "10.96.2.7": false, "::1": false} {
		if got := excepted.Allows(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: allowed %v, want %v", address, got, want)
		}
	}
	if (Guard{}).Allows(netip.Addr{}) {
		t.Error("no address is allowed")
	}
	if _, err := ParsePrefixes("10.0.0.1"); err == nil {
		t.Error("an address passed for a CIDR")
	}
}

func FuzzGuard(f *testing.F) {
	for _, seed := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::1", "64:ff9b::7f00:1", "fe80::1%x", "8.8.8.8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		if real := address.Unmap(); (Guard{}).Allows(address) && (real.IsLoopback() || real.IsLinkLocalUnicast() || real.IsMulticast() || real.IsUnspecified()) {
			t.Errorf("%s is allowed", address)
		}
	})
}
