// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// zipEntry is one line of the directory, which the local header has confirmed.
type zipEntry struct {
	name          string
	method, flags uint16
	crc           uint32
	packed, size  int64
	offset, data  int64
	mode          fs.FileMode
}

const (
	flagEncrypted, flagDescriptor, flagUTF8 = 1, 8, 0x800
	stored, deflated                        = 0, 8
)

// directory reads the list of entries, checks it against what stands before each entry's data, and returns it in its own order.
func directory(source Source, limits Limits) ([]zipEntry, error) {
	end, err := findEnd(source)
	if err != nil {
		return nil, err
	}
	if end.entries > uint64(limits.Entries) { //nolint:gosec // a limit is positive
		return nil, refuse("The bundle holds %d entries; the limit is %d. Leave out what the application does not need.", end.entries, limits.Entries)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(source.File, end.offset, end.size), 64<<10)
	entries := make([]zipEntry, 0, end.entries)
	for range end.entries {
		entry, err := readHeader(in)
		if err != nil {
			return nil, broken(err)
		}
		entries = append(entries, entry)
	}
	if _, err := in.ReadByte(); err == nil {
		return nil, refuse("The bundle's list of files is longer than it says, and tools would unpack it differently. Pack it again.")
	}
	return entries, tile(source, entries, end.offset)
}

func readHeader(in *bufio.Reader) (zipEntry, error) {
	fixed := make([]byte, headerSize)
	if _, err := io.ReadFull(in, fixed); err != nil {
		return zipEntry{}, err
	}
	if u32(fixed) != headerSignature {
		return zipEntry{}, refuse("The bundle's list of files is shorter than it says, and tools would unpack it differently. Pack it again.")
	}
	nameSize, extraSize, commentSize := int(u16(fixed[28:])), int(u16(fixed[30:])), int(u16(fixed[32:]))
	rest := make([]byte, nameSize+extraSize+commentSize)
	if _, err := io.ReadFull(in, rest); err != nil {
		return zipEntry{}, err
	}
	e := zipEntry{
		name: string(rest[:nameSize]), flags: u16(fixed[8:]), method: u16(fixed[10:]), crc: u32(fixed[16:]),
		packed: int64(u32(fixed[20:])), size: int64(u32(fixed[24:])), offset: int64(u32(fixed[42:])),
	}
	e.mode = zipMode(fixed[5], u32(fixed[38:]), e.name)
	if err := widen(rest[nameSize:nameSize+extraSize], &e.size, &e.packed, &e.offset); err != nil {
		return zipEntry{}, err
	}
	return e, e.check()
}

// zipMode reads the mode that Unix tools leave; for others only the name tells folders from files.
func zipMode(system byte, attributes uint32, name string) fs.FileMode {
	const unix, macOS = 3, 19
	if unixMode := attributes >> 16; (system == unix || system == macOS) && unixMode != 0 {
		mode := fs.FileMode(unixMode & 0o777)
		switch unixMode & 0o170000 {
		case 0, 0o100000:
		case 0o040000:
			return mode | fs.ModeDir
		case 0o120000:
			return mode | fs.ModeSymlink
		default:
			return mode | fs.ModeIrregular
		}
		if strings.HasSuffix(name, "/") {
			return mode | fs.ModeDir
		}
		return mode
	}
	if strings.HasSuffix(name, "/") {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// widen replaces numbers that do not fit into 32 bits by those of the ZIP64 field, which holds just these, in this order.
func widen(extra []byte, numbers ...*int64) error {
	var wide []byte
	found := false
	for len(extra) >= 4 {
		id, size := u16(extra), int(u16(extra[2:]))
		if size > len(extra)-4 {
			break
		}
		if id == zip64Field {
			if found {
				return refuse("The bundle states a size twice, and tools would unpack it differently. Pack it again.")
			}
			wide, found = extra[4:4+size], true
		}
		extra = extra[4+size:]
	}
	for _, n := range numbers {
		if *n != full32 {
			continue
		}
		if len(wide) < 8 {
			return refuse("The bundle's ZIP64 records are incomplete. Pack it again.")
		}
		*n = int64(binary.LittleEndian.Uint64(wide)) //nolint:gosec // check refuses what is negative
		wide = wide[8:]
	}
	return nil
}

func (e zipEntry) check() error {
	switch {
	case e.size < 0 || e.packed < 0 || e.offset < 0:
		return refuse("The bundle holds %s with an impossible size. Pack it again.", quote(e.name))
	case e.flags&flagEncrypted != 0:
		return refuse("The bundle holds %s, which is encrypted. Pack it without a password.", quote(e.name))
	case e.method != stored && e.method != deflated:
		return refuse("The bundle holds %s, compressed with method %d. Only stored and deflated files are unpacked; pack it as an ordinary ZIP.", quote(e.name), e.method)
	case e.method == stored && e.packed != e.size:
		return refuse("The bundle holds %s, which contradicts itself about its size. Pack it again.", quote(e.name))
	case e.mode&fs.ModeIrregular != 0:
		return refuse("The bundle holds %s, which is a device or a named pipe. Only files, folders and symbolic links are unpacked.", quote(e.name))
	}
	return nil
}

// tile checks that the entries lie side by side from the first byte to the directory: none overlaps, nothing is hidden between.
func tile(source Source, entries []zipEntry, directory int64) error {
	order := make([]*zipEntry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortFunc(order, func(a, b *zipEntry) int { return cmp.Compare(a.offset, b.offset) })
	at, slack := int64(0), int64(0)
	for _, e := range order {
		if !fits(e.offset-at, slack) {
			return refuse("The bundle holds %s, which overlaps another entry or follows bytes that belong to none. Pack it again.", quote(e.name))
		}
		if err := e.locate(source); err != nil {
			return err
		}
		at, slack = e.data+e.packed, int64(e.flags&flagDescriptor)
	}
	if !fits(directory-at, slack) {
		return refuse("The bundle has entries that reach into its list of files, or bytes that belong to none. Pack it again.")
	}
	return nil
}

// fits says whether a gap is what may stand behind an entry: nothing, or one of the four forms of a data descriptor.
func fits(gap, descriptor int64) bool {
	if descriptor == 0 {
		return gap == 0
	}
	return gap == 0 || gap == 12 || gap == 16 || gap == 20 || gap == 24
}

// locate reads the local header, which must say the same as the directory.
func (e *zipEntry) locate(source Source) error {
	fixed := make([]byte, localSize)
	if err := readAt(source, fixed, e.offset); err != nil {
		return err
	}
	nameSize, extraSize := int(u16(fixed[26:])), int(u16(fixed[28:]))
	rest := make([]byte, nameSize+extraSize)
	if err := readAt(source, rest, e.offset+localSize); err != nil {
		return err
	}
	size, packed := int64(u32(fixed[22:])), int64(u32(fixed[18:]))
	agree := u32(fixed) == localSignature && bytes.Equal(rest[:nameSize], []byte(e.name)) && u16(fixed[8:]) == e.method &&
		(u16(fixed[6:])^e.flags)&(flagEncrypted|flagDescriptor|flagUTF8) == 0
	if agree && e.flags&flagDescriptor == 0 {
		if err := widen(rest[nameSize:], &size, &packed); err != nil {
			return err
		}
		agree = u32(fixed[14:]) == e.crc && size == e.size && packed == e.packed
	}
	if !agree {
		return refuse("The bundle's list of files and the entry %s contradict each other, and tools would unpack it differently. Pack it again.", quote(e.name))
	}
	e.data = e.offset + localSize + int64(nameSize+extraSize)
	if e.data+e.packed > source.Size || e.data+e.packed < e.data {
		return refuse("The bundle holds %s, which reaches beyond its end. Upload it again, whole.", quote(e.name))
	}
	return nil
}

func readAt(source Source, into []byte, at int64) error {
	if _, err := source.File.ReadAt(into, at); err != nil {
		if err == io.EOF { //nolint:errorlint // ReadAt returns it bare
			return refuse("The bundle's list of files leads beyond its end. Upload it again, whole.")
		}
		return fmt.Errorf("reading the bundle: %w", err)
	}
	return nil
}
