// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
)

// jarFile is the name under which Java SE platforms start a bundle that is one JAR.
const jarFile = "application.jar"

func (t *tree) fillZip(source Source) (Summary, error) {
	entries, err := directory(source, t.meter.limits)
	if err != nil {
		return Summary{}, err
	}
	if err := t.declared(entries); err != nil {
		return Summary{}, err
	}
	if isJar(source, entries) {
		return Summary{}, t.write(jarFile, 0o644, io.NewSectionReader(source.File, 0, source.Size))
	}
	var summary Summary
	skipped := 0
	for i := range entries {
		if leftByMacs(entries[i].name) {
			skipped++
			continue
		}
		if err := t.zipEntry(source, &entries[i]); err != nil {
			return Summary{}, broken(err)
		}
	}
	if skipped > 0 {
		summary.Warnings = append(summary.Warnings, "The bundle holds the folder __MACOSX, which the Finder leaves there; it was not unpacked.")
	}
	return summary, nil
}

// declared refuses early what would be refused later, when an archive is honest about itself.
func (t *tree) declared(entries []zipEntry) error {
	limits := t.meter.limits
	var total int64
	for i := range entries {
		if _, err := limits.clean(entries[i].name); err != nil {
			return err
		}
		if total += entries[i].size; total > limits.Unpacked || total < 0 {
			return refuse("The bundle is larger than %d bytes when unpacked. Leave out what the application does not need.", limits.Unpacked)
		}
	}
	return nil
}

func leftByMacs(name string) bool { return strings.HasPrefix(name, "__MACOSX/") }

func (t *tree) zipEntry(source Source, e *zipEntry) error {
	name, err := t.meter.limits.clean(e.name)
	if err != nil {
		return err
	}
	content, check := e.open(source)
	switch {
	case e.mode.IsDir():
		if e.size != 0 {
			return refuse("The bundle holds %s, a folder with content. Pack it again.", quote(e.name))
		}
		if name == "" {
			return nil
		}
		return t.claim(name, folder)
	case name == "" || strings.HasSuffix(e.name, "/"):
		return refuse("The bundle holds %s, a file with the name of a folder.", quote(e.name))
	case e.mode&fs.ModeSymlink != 0:
		target, err := io.ReadAll(io.LimitReader(content, int64(t.meter.limits.Path)+1))
		if err != nil {
			return err
		}
		if err := t.link(name, string(target)); err != nil {
			return err
		}
		return check()
	}
	if err := t.write(name, e.mode, content); err != nil {
		return err
	}
	return check()
}

// open returns an entry's content, never more than it said, and a check that it was all of it and nothing else.
func (e *zipEntry) open(source Source) (io.Reader, func() error) {
	raw := bufio.NewReader(io.NewSectionReader(source.File, e.data, e.packed))
	var content io.Reader = raw
	if e.method == deflated {
		content = flate.NewReader(raw)
	}
	sum := crc32.NewIEEE()
	count := &counter{in: io.TeeReader(io.LimitReader(content, e.size), sum)}
	return count, func() error {
		more, err := io.ReadFull(content, make([]byte, 1))
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, left := raw.ReadByte(); more != 0 || left == nil || count.bytes != e.size || sum.Sum32() != e.crc {
			return refuse("The bundle holds %s, whose content is not what its header says. Pack and upload it again.", quote(e.name))
		}
		return nil
	}
}

// isJar says whether an archive is one program for java -jar, which starts from the archive itself, rather than files to unpack.
func isJar(source Source, entries []zipEntry) bool {
	program := false
	for i := range entries {
		e := &entries[i]
		switch {
		case strings.HasPrefix(e.name, "WEB-INF/") || e.name == "Procfile" || e.name == "Buildfile":
			return false
		case e.name == "META-INF/MANIFEST.MF":
			content, _ := e.open(source)
			manifest, err := io.ReadAll(io.LimitReader(content, 1<<20))
			program = err == nil && (bytes.HasPrefix(manifest, []byte("Main-Class:")) || bytes.Contains(manifest, []byte("\nMain-Class:")))
		}
	}
	return program
}
