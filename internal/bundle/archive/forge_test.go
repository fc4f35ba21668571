// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// forged is one entry of a ZIP file that may lie about everything.
type forged struct {
	name string
	data []byte
	// mode is in Unix bits with the type; zero for an ordinary file.
	mode uint32
	// local changes the local header, central the line in the directory, raw the compressed bytes.
	local, central func([]byte)
	localName      string
	raw            func([]byte) []byte
	method         uint16
	// before is written in front of the local header, after behind the data.
	before, after []byte
	// sameAs puts the entry at the offset of an earlier one instead of writing it.
	sameAs int
}

// forgedEnd changes the end of a ZIP file.
type forgedEnd struct {
	prefix, suffix, comment []byte
	end                     func([]byte)
	// zip64 adds the records of large files; locator and big change them.
	zip64        bool
	locator, big func([]byte)
	// beforeEnd is written between the directory and the end.
	beforeEnd []byte
}

var le = binary.LittleEndian

func put16(at int, v uint16) func([]byte) { return func(b []byte) { le.PutUint16(b[at:], v) } }
func put32(at int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[at:], v) } }

// forgeZip writes entries byte by byte, because no library writes what is wrong.
func forgeZip(e forgedEnd, entries ...forged) []byte {
	out := bytes.NewBuffer(bytes.Clone(e.prefix))
	var directory bytes.Buffer
	offsets := make([]int, len(entries))
	for i, f := range entries {
		raw := deflate(f)
		local := make([]byte, localSize)
		for at, v := range map[int]uint32{0: localSignature, 14: crc32.ChecksumIEEE(f.data), 18: uint32(len(raw)), 22: uint32(len(f.data))} {
			le.PutUint32(local[at:], v)
		}
		name := f.name
		if f.localName != "" {
			name = f.localName
		}
		put16(4, 20)(local)
		put16(6, flagUTF8)(local)
		put16(8, f.method)(local)
		put16(26, uint16(len(name)))(local)
		if f.local != nil {
			f.local(local)
		}
		out.Write(f.before)
		offsets[i] = out.Len()
		if f.sameAs > 0 {
			offsets[i] = offsets[f.sameAs-1]
		} else {
			out.Write(local)
			out.WriteString(name)
			out.Write(raw)
			out.Write(f.after)
		}
		directory.Write(forgeHeader(f, len(raw), offsets[i]))
	}
	return forgeEnd(e, out, directory.Bytes(), len(entries))
}

func deflate(f forged) []byte {
	raw := f.data
	if f.method == deflated {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.BestCompression)
		_, _ = w.Write(f.data)
		_ = w.Close()
		raw = packed.Bytes()
	}
	if f.raw != nil {
		raw = f.raw(raw)
	}
	return raw
}

func forgeHeader(f forged, packed, offset int) []byte {
	h := make([]byte, headerSize)
	mode := f.mode
	if mode == 0 {
		mode = 0o100644
	}
	for at, v := range map[int]uint32{0: headerSignature, 16: crc32.ChecksumIEEE(f.data), 20: uint32(packed), 24: uint32(len(f.data)), 38: mode << 16, 42: uint32(offset)} {
		le.PutUint32(h[at:], v)
	}
	put16(4, 3<<8|20)(h)
	put16(8, flagUTF8)(h)
	put16(10, f.method)(h)
	put16(28, uint16(len(f.name)))(h)
	if f.central != nil {
		f.central(h)
	}
	return append(h, f.name...)
}

func forgeEnd(e forgedEnd, out *bytes.Buffer, directory []byte, entries int) []byte {
	offset := out.Len()
	out.Write(directory)
	out.Write(e.beforeEnd)
	if e.zip64 {
		at := out.Len()
		big, locator := make([]byte, bigEndSize), make([]byte, locatorSize)
		le.PutUint32(big, bigEndSignature)
		for field, v := range map[int]int{4: bigEndSize - 12, 24: entries, 32: entries, 40: len(directory), 48: offset} {
			le.PutUint64(big[field:], uint64(v))
		}
		le.PutUint32(locator, locatorSignature)
		le.PutUint64(locator[8:], uint64(at))
		le.PutUint32(locator[16:], 1)
		if e.big != nil {
			e.big(big)
		}
		if e.locator != nil {
			e.locator(locator)
		}
		out.Write(big)
		out.Write(locator)
	}
	end := make([]byte, endSize)
	put32(0, endSignature)(end)
	put16(8, uint16(entries))(end)
	put16(10, uint16(entries))(end)
	put32(12, uint32(len(directory)))(end)
	put32(16, uint32(offset))(end)
	put16(20, uint16(len(e.comment)))(end)
	if e.end != nil {
		e.end(end)
	}
	out.Write(end)
	out.Write(e.comment)
	out.Write(e.suffix)
	return out.Bytes()
}

// item is an entry of either kind of archive, as far as both know it.
type item struct {
	name, data, link string
	folder           bool
	typeflag         byte
	mode             int64
}

func zipItems(items ...item) []byte {
	var entries []forged
	for _, i := range items {
		f := forged{name: i.name, data: []byte(i.data), method: deflated}
		switch {
		case i.folder:
			f.mode, f.method = 0o040755, stored
		case i.link != "":
			f.mode, f.data = 0o120777, []byte(i.link)
		case i.mode != 0:
			f.mode = 0o100000 | uint32(i.mode)
		}
		entries = append(entries, f)
	}
	return forgeZip(forgedEnd{}, entries...)
}

func tarItems(t testing.TB, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Linkname: i.link, Size: int64(len(i.data)), Mode: 0o644, Typeflag: i.typeflag}
		if i.mode != 0 {
			h.Mode = i.mode
		}
		switch {
		case i.typeflag != 0:
		case i.folder:
			h.Typeflag = tar.TypeDir
		case i.link != "":
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			return nil // tar cannot say this; ZIP can
		}
		_, _ = w.Write([]byte(i.data))
	}
	_ = w.Close()
	return out.Bytes()
}

func gzipped(parts ...[]byte) []byte {
	var out bytes.Buffer
	for _, p := range parts {
		w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		_, _ = w.Write(p)
		_ = w.Close()
	}
	return out.Bytes()
}
