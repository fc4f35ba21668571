// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Signatures and sizes of the records of a ZIP file.
const (
	localSignature, localSize           = 0x04034b50, 30
	headerSignature, headerSize         = 0x02014b50, 46
	endSignature, endSize               = 0x06054b50, 22
	locatorSignature, locatorSize       = 0x07064b50, 20
	bigEndSignature, bigEndSize         = 0x06064b50, 56
	zip64Field                          = 1
	full16, full32                      = 0xffff, 0xffffffff
	longestComment                      = 0xffff
	maxDirectory                  int64 = 32 << 20
)

// zipEnd says where the directory of a ZIP file lies.
type zipEnd struct {
	entries      uint64
	offset, size int64
}

// findEnd reads the last record of a ZIP file. Only one place may be the end, and the directory must reach up to it: whatever
// is before, between or behind would be another archive to another reader.
func findEnd(source Source) (zipEnd, error) {
	tail := make([]byte, min(source.Size, endSize+longestComment))
	if _, err := source.File.ReadAt(tail, source.Size-int64(len(tail))); err != nil && err != io.EOF { //nolint:errorlint // ReadAt returns it bare
		return zipEnd{}, fmt.Errorf("reading the bundle: %w", err)
	}
	at := -1
	for i := len(tail) - endSize; i >= 0; i-- {
		if u32(tail[i:]) != endSignature || i+endSize+int(u16(tail[i+20:])) != len(tail) {
			continue
		}
		if at >= 0 {
			return zipEnd{}, refuse("The bundle has two ends, and tools would unpack it differently. Pack it again.")
		}
		at = i
	}
	if at < 0 {
		return zipEnd{}, refuse("The bundle is a ZIP file without its end, or with bytes behind it. Upload it again, whole.")
	}
	record, place := tail[at:], source.Size-int64(len(tail))+int64(at)
	if u16(record[4:]) != 0 && u16(record[4:]) != full16 || u16(record[6:]) != 0 && u16(record[6:]) != full16 || u16(record[8:]) != u16(record[10:]) {
		return zipEnd{}, refuse("The bundle is one part of a ZIP file in several parts. Pack it as one file.")
	}
	end := zipEnd{entries: uint64(u16(record[10:])), size: int64(u32(record[12:])), offset: int64(u32(record[16:]))}
	return end.check(source, place)
}

// check looks for the record of large files, and then at what both say.
func (e zipEnd) check(source Source, place int64) (zipEnd, error) {
	locator := make([]byte, locatorSize)
	if place >= locatorSize {
		if _, err := source.File.ReadAt(locator, place-locatorSize); err != nil {
			return e, fmt.Errorf("reading the bundle: %w", err)
		}
	}
	if u32(locator) == locatorSignature {
		var err error
		if e, place, err = e.big(source, place-locatorSize, locator); err != nil {
			return e, err
		}
	}
	switch {
	case e.size < 0 || e.offset < 0 || e.size > maxDirectory:
		return e, refuse("The list of files in the bundle is %d bytes large; the limit is %d. Pack fewer files.", e.size, maxDirectory)
	case e.offset > place || e.offset+e.size != place:
		return e, refuse("The bundle is a ZIP file with bytes that belong to no entry, before its start or before its end. Pack it again.")
	}
	return e, nil
}

// big reads the ZIP64 record, which must end where its locator begins and agree with the short one.
func (e zipEnd) big(source Source, place int64, locator []byte) (zipEnd, int64, error) {
	odd := refuse("The bundle's ZIP64 records contradict each other. Pack it again.")
	at := int64(binary.LittleEndian.Uint64(locator[8:])) //nolint:gosec // compared with a small number next
	if at != place-bigEndSize || at < 0 {
		return e, 0, odd
	}
	record := make([]byte, bigEndSize)
	if _, err := source.File.ReadAt(record, at); err != nil {
		return e, 0, fmt.Errorf("reading the bundle: %w", err)
	}
	u64 := binary.LittleEndian.Uint64
	large := zipEnd{entries: u64(record[32:]), size: int64(u64(record[40:])), offset: int64(u64(record[48:]))} //nolint:gosec // check refuses what is negative
	agree := func(short, full, long uint64) bool { return short == full || short == long }
	if u32(record) != bigEndSignature || u64(record[4:]) != bigEndSize-12 || u64(record[24:]) != large.entries ||
		!agree(e.entries, full16, large.entries) || !agree(uint64(e.size), full32, uint64(large.size)) || !agree(uint64(e.offset), full32, uint64(large.offset)) { //nolint:gosec // bits are compared
		return e, 0, odd
	}
	return large, at, nil
}

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
