// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// absent are packages that others depend on and that no image needs: what configures a machine, and what the base layer
// holds in another form. APT is told that they are there already.
var absent = []string{
	"adduser", "apache2", "ca-certificates", "ca-certificates-java", "debconf", "debconf-2.0", "debianutils", "dpkg", "init-system-helpers",
	"java-common", "libpam-runtime", "login", "lsb-base", "openssl", "passwd", "perl", "perl-base", "php-common", "procps", "psmisc", "systemd",
	"sysvinit-utils", "ucf",
}

// debian resolves and fetches packages with the machine's APT sources, but a state of its own: nothing gets installed, and it
// does not need to be root.
type debian struct {
	dir   string // of the cache
	lists string // where the package lists are
	known map[string][]deb
}

// deb is one package.
type deb struct {
	name, version string
	file          string // in the folder of downloads
}

func newDebian(dir string) (*debian, error) {
	d := &debian{dir: dir, lists: "/var/lib/apt/lists", known: map[string][]deb{}}
	for _, sub := range []string{"debs/partial", "none/partial", "lists/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	var status strings.Builder
	for _, name := range absent {
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: allowed\nMaintainer: none\nVersion: 9999\nDescription: none\n\n", name)
	}
	return d, os.WriteFile(d.path("status"), []byte(status.String()), 0o644)
}

func (d *debian) path(elements ...string) string {
	return filepath.Join(append([]string{d.dir}, elements...)...)
}

// closure lists packages with all that they depend on, in order of their file names, which hold the versions.
func (d *debian) closure(packages []string) ([]deb, error) {
	key := strings.Join(packages, " ")
	if list, ok := d.known[key]; ok {
		return list, nil
	}
	list := func() (string, error) {
		return d.apt("none", append([]string{"--print-uris", "install"}, packages...)...)
	}
	out, err := list()
	if err != nil && d.lists != d.path("lists") {
		// The machine has no lists, or they are too old: fetch them, for us alone.
		d.lists = d.path("lists")
		if _, err = d.apt("none", "update"); err == nil {
			out, err = list()
		}
	}
	if err != nil {
		return nil, err
	}
	debs, err := parseURIs(out)
	if err != nil {
		return nil, err
	}
	if len(debs) == 0 {
		return nil, fmt.Errorf("APT resolves %s to nothing", key)
	}
	d.known[key] = debs
	return debs, nil
}

// parseURIs reads what apt-get --print-uris says: an address in quotes, a file name, and more.
func parseURIs(out string) ([]deb, error) {
	var debs []deb
	for line := range strings.SplitSeq(out, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(line, "'") {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(fields[1], ".deb"), "_")
		version, err := url.PathUnescape(parts[min(1, len(parts)-1)])
		if err != nil || len(parts) != 3 {
			return nil, fmt.Errorf("APT names a package %q, which is not name_version_architecture.deb", fields[1])
		}
		debs = append(debs, deb{name: parts[0], version: version, file: fields[1]})
	}
	slices.SortFunc(debs, func(a, b deb) int { return strings.Compare(a.file, b.file) })
	return debs, nil
}

// fetch downloads packages and what they depend on, unless all of it is there.
func (d *debian) fetch(packages []string) error {
	list, err := d.closure(packages)
	if err != nil {
		return err
	}
	there := func(p deb) bool { _, err := os.Stat(d.path("debs", p.file)); return err == nil }
	if !slices.ContainsFunc(list, func(p deb) bool { return !there(p) }) {
		return nil
	}
	_, err = d.apt("debs", append([]string{"--download-only", "install"}, packages...)...)
	return err
}

// apt runs apt-get with that folder of downloads. It lists only what is not in there, hence "none" for whoever asks for a list.
func (d *debian) apt(downloads string, args ...string) (string, error) {
	cmd := exec.Command("apt-get", append([]string{
		"-q", "--yes", "--no-install-recommends",
		"-o", "Dir::State::status=" + d.path("status"), "-o", "Dir::State::lists=" + d.lists,
		"-o", "Dir::Cache::archives=" + d.path(downloads) + "/", "-o", "Dir::Cache::pkgcache=" + d.path("pkgcache.bin"), "-o", "Dir::Cache::srcpkgcache=",
		"-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "APT::Get::List-Cleanup=0",
	}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("apt-get is not here: platform images are made of Debian packages, so make them on Debian 12")
	}
	if err != nil {
		return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// without lists what is in one closure and not in another.
func without(list, lower []deb) []deb {
	return slices.DeleteFunc(slices.Clone(list), func(p deb) bool { return slices.Contains(lower, p) })
}
