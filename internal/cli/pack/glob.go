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
		rest := glob[i:]
		begins := i == 0 || glob[i-1] == '/'
		switch {
		case begins && strings.HasPrefix(rest, "**/"):
			out.WriteString(`(?:.*/)?`)
			i += 3
		case begins && i > 0 && rest == "**":
			out.WriteString(`.*`)
			i += 2
		case rest[0] == '*':
			out.WriteString(`[^/]*`)
			i += len(rest) - len(strings.TrimLeft(rest, "*"))
		case rest[0] == '?':
			out.WriteString(`[^/]`)
			i++
		case rest[0] == '[':
			class, n := translateClass(rest)
			if n == 0 {
				return "", false
			}
			out.WriteString(class)
			i += n
		case rest[0] == '\\':
			if len(rest) == 1 {
				return "", false
			}
			out.WriteString(regexp.QuoteMeta(rest[1:2]))
			i += 2
		default:
			out.WriteString(regexp.QuoteMeta(rest[:1]))
			i++
		}
	}
	return out.String(), true
}

// translateClass translates [...] and says how long it was; 0 when it does not end.
func translateClass(glob string) (string, int) {
	i, out := 1, "["
	if i < len(glob) && (glob[i] == '!' || glob[i] == '^') {
		i, out = i+1, "[^/"
	}
	for first := i; i < len(glob); {
		switch rest := glob[i:]; {
		case rest[0] == ']' && i > first:
			return out + "]", i + 1
		case strings.HasPrefix(rest, "[:") && strings.Contains(rest, ":]"):
			n := strings.Index(rest, ":]") + 2
			out += rest[:n]
			i += n
		case rest[0] == '\\' && len(rest) > 1:
			out += regexp.QuoteMeta(rest[1:2])
			i += 2
		case rest[0] == '-' && i > first:
			out += "-"
			i++
		default:
			out += quoteInClass(rest[:1])
			i++
		}
	}
	return "", 0
}

func quoteInClass(s string) string {
	if strings.ContainsAny(s, `[]\^-`) {
		return `\` + s
	}
	return s
}
