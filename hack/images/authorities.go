// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha1" // the format's own checksum; the store holds nothing secret
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unicode/utf16"
)

// authorityFiles are the certificates that this machine trusts, as every program but Java reads them, or as Java does.
func authorityFiles(java bool) ([]file, error) {
	data, err := os.ReadFile(authorities)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	if !java {
		return []file{{path: authorities, mode: 0o644, data: data}}, nil
	}
	return []file{{path: "/etc/ssl/certs/java/cacerts", mode: 0o644, data: keyStore(data)}}, nil
}

// keyStore writes certificates in Java's own format, version 2: Debian's package makes this file when it is installed, with
// Java itself, which does not run here.
func keyStore(bundle []byte) []byte {
	var entries bytes.Buffer
	count := uint32(0)
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		alias := fmt.Sprintf("authority-%03d", count)
		count++
		entries.Write([]byte{0, 0, 0, 2}) // a trusted certificate
		text(&entries, alias)
		entries.Write(make([]byte, 8)) // made at the epoch
		text(&entries, "X.509")
		entries.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block.Bytes))))
		entries.Write(block.Bytes)
	}
	out := []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}
	out = append(binary.BigEndian.AppendUint32(out, count), entries.Bytes()...)
	sum := sha1.New()
	for _, unit := range utf16.Encode([]rune("changeit")) { // the password that everybody uses for this file
		sum.Write(binary.BigEndian.AppendUint16(nil, unit))
	}
	sum.Write([]byte("Mighty Aphrodite")) // the format demands it
	sum.Write(out)
	return sum.Sum(out)
}

// text writes a string with its length, as java.io.DataOutput does with ASCII.
func text(w *bytes.Buffer, s string) {
	w.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
	w.WriteString(s)
}
