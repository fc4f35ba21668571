// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"regexp"
	"strings"
)

// translate makes a regular expression of a glob as gitignore has it; false for one that never matches.
func translate(glob string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(glob); {
		rest, begins := glob[i:], i == 0 || glob[i-1] == '/'
		var text string
		var n int
		switch rest[0] {
		case '*':
			text, n = translateStars(rest, begins, i == 0)
		case '?':
			text, n = `[^/]`, 1
		case '[':
			text, n = translateClass(rest)
		default:
			text, n = translateByte(rest)
		}
		if n == 0 {
			return "", false
		}
		out.WriteString(text)
		i += n
	}
	return out.String(), true
}

// translateStars translates * and **, and says how long they were. Two stars mean folders only where they are a whole element of the path.
func translateStars(glob string, begins, first bool) (string, int) {
	switch {
	case begins && strings.HasPrefix(glob, "**/"):
		return `(?:.*/)?`, 3
	case begins && !first && glob == "**":
		return `.*`, 2
	}
	return `[^/]*`, len(glob) - len(strings.TrimLeft(glob, "*"))
}

// translateByte translates what stands for itself; nothing may follow a backslash at the end.
func translateByte(glob string) (string, int) {
	switch {
	case glob[0] != '\\':
		return regexp.QuoteMeta(glob[:1]), 1
	case len(glob) > 1:
		return regexp.QuoteMeta(glob[1:2]), 2
	}
	return "", 0
}

// translateClass translates [...] and says how long it was; 0 when it does not end.
func translateClass(glob string) (string, int) {
	i, out := 1, "["
	if strings.HasPrefix(glob, "[!") || strings.HasPrefix(glob, "[^") {
		i, out = 2, "[^/"
	}
	for first := i; i < len(glob); {
		if glob[i] == ']' && i > first {
			return out + "]", i + 1
		}
		text, n := translateMember(glob[i:], i > first)
		out += text
		i += n
	}
	return "", 0
}

// translateMember translates one member of a class, or the hyphen between two.
func translateMember(rest string, inside bool) (string, int) {
	switch {
	case strings.HasPrefix(rest, "[:") && strings.Contains(rest, ":]"):
		n := strings.Index(rest, ":]") + 2
		return rest[:n], n
	case rest[0] == '\\' && len(rest) > 1:
		return regexp.QuoteMeta(rest[1:2]), 2
	case rest[0] == '-' && inside:
		return "-", 1
	case strings.ContainsAny(rest[:1], `[]\^-`):
		return `\` + rest[:1], 1
	}
	return rest[:1], 1
}
