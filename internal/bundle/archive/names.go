// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// longestName is what file systems take for one name of a path.
const longestName = 255

// devices are files everywhere on Windows; tools there would read or write something else.
var devices = []string{
	"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

// clean checks a name from an archive and returns the path that it means; empty for the top folder itself.
func (l Limits) clean(raw string) (string, error) {
	if why := l.wrong(raw); why != "" {
		return "", refuse("The bundle holds %s, %s.", quote(raw), why)
	}
	parts := slices.DeleteFunc(strings.Split(raw, "/"), func(p string) bool { return p == "" || p == "." })
	for _, part := range parts {
		switch {
		case part == "..":
			return "", refuse("The bundle holds %s, which leaves its folder. Pack it from inside the application's folder.", quote(raw))
		case len(part) > longestName:
			return "", refuse("The bundle holds %s, which has a name of %d bytes; the limit is %d.", quote(raw), len(part), longestName)
		case slices.Contains(devices, strings.ToLower(part)):
			return "", refuse("The bundle holds %s, and %s names a device on Windows. Rename it.", quote(raw), quote(part))
		}
	}
	if len(parts) > l.Depth {
		return "", refuse("The bundle holds %s, which is %d folders deep; the limit is %d.", quote(raw), len(parts), l.Depth)
	}
	return strings.Join(parts, "/"), nil
}

// wrong says what is wrong with a name as a whole.
func (l Limits) wrong(raw string) string {
	switch {
	case raw == "":
		return "an entry without a name"
	case len(raw) > l.Path:
		return "a path of " + strconv.Itoa(len(raw)) + " bytes; the limit is " + strconv.Itoa(l.Path)
	case !utf8.ValidString(raw):
		return "a name that is not UTF-8; pack it with a tool that writes UTF-8 names"
	case strings.ContainsFunc(raw, unicode.IsControl):
		return "a name with control characters"
	case strings.Contains(raw, `\`):
		return "a name with a backslash; pack it with a tool that writes slashes"
	case strings.HasPrefix(raw, "/"):
		return "an absolute path; pack it from inside the application's folder"
	case len(raw) > 1 && raw[1] == ':' && unicode.IsLetter(rune(raw[0])):
		return "a path with a drive letter; pack it from inside the application's folder"
	}
	return ""
}

// quote shows a name of any length and content.
func quote(name string) string {
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "") + "…"
	}
	return strconv.QuoteToASCII(name)
}

type kind byte

const (
	folder kind = iota + 1
	// implied is a folder that so far only appeared in a path.
	implied
	file
	symlink
)

// names knows every name of an archive, so that no two entries mean one file, here or on a file system that ignores case.
type names struct {
	kinds map[string]kind
	// folded leads from the hash of a folded name to its first spelling, which costs no memory of its own.
	folded map[[sha256.Size]byte]string
	fold   cases.Caser
	// anyCase is for artifacts: a build may well leave README and Readme.
	anyCase bool
}

func newNames(anyCase bool) *names {
	return &names{kinds: map[string]kind{}, folded: map[[sha256.Size]byte]string{}, fold: cases.Fold(), anyCase: anyCase}
}

// claim registers a path with its parents and returns those names that are new, parents first.
func (n *names) claim(name string, as kind) ([]string, error) {
	var fresh []string
	for at := 0; at >= 0; {
		part, what := name, as
		if i := strings.IndexByte(name[at:], '/'); i >= 0 {
			part, what, at = name[:at+i], implied, at+i+1
		} else {
			at = -1
		}
		isNew, err := n.claimOne(part, what)
		if err != nil {
			return nil, err
		}
		if isNew {
			fresh = append(fresh, part)
		}
	}
	return fresh, nil
}

func (n *names) claimOne(name string, as kind) (bool, error) {
	isFolder := func(k kind) bool { return k == folder || k == implied }
	switch had := n.kinds[name]; {
	case had == 0:
		return true, n.add(name, as)
	case isFolder(had) && isFolder(as):
		return false, nil
	case isFolder(had) || isFolder(as):
		return false, refuse("The bundle holds %s both as a folder and as something else.", quote(name))
	}
	return false, refuse("The bundle holds %s twice.", quote(name))
}

func (n *names) add(name string, as kind) error {
	n.kinds[name] = as
	if n.anyCase {
		return nil
	}
	key := sha256.Sum256([]byte(n.key(name)))
	if other, taken := n.folded[key]; taken {
		return refuse("The bundle holds %s and %s, which are one name where case or Unicode form do not count. Rename one.", quote(other), quote(name))
	}
	n.folded[key] = name
	return nil
}

func (n *names) key(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return strings.ToLower(name)
	}
	return norm.NFC.String(n.fold.String(norm.NFC.String(name)))
}
