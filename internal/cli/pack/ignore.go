// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"regexp"
	"strings"
)

// ignore is a list of gitignore rules; the last one that matches decides. TestIgnore compares it with git itself, which the two
// libraries for this differ from.
type ignore []rule

type rule struct {
	pattern *regexp.Regexp
	// keeps takes back what an earlier rule ignores.
	keeps bool
	// folders only.
	folders bool
	// base rules look at the last element of a path only.
	base bool
}

// match says whether a path with slashes is ignored. Callers do not look into ignored folders, so no rule can take back what is in them.
func (ig ignore) match(path string, folder bool) bool {
	for i := len(ig) - 1; i >= 0; i-- {
		r, subject := ig[i], path
		if r.folders && !folder {
			continue
		}
		if r.base {
			subject = path[strings.LastIndexByte(path, '/')+1:]
		}
		if r.pattern.MatchString(subject) {
			return !r.keeps
		}
	}
	return false
}

func parseIgnore(text string) ignore {
	var out ignore
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if r, ok := parseRule(strings.TrimSuffix(line, "\r")); ok {
			out = append(out, r)
		}
	}
	return out
}

// parseRule reads one line. A line that git never lets match is no rule.
func parseRule(line string) (rule, bool) {
	line = trimSpaces(line)
	if line == "" || line[0] == '#' {
		return rule{}, false
	}
	var r rule
	if line, r.keeps = strings.CutPrefix(line, "!"); line == "" {
		return rule{}, false
	}
	line, r.folders = strings.CutSuffix(line, "/")
	r.base = !strings.Contains(line, "/")
	pattern, ok := translate(strings.TrimPrefix(line, "/"))
	if !ok {
		return rule{}, false
	}
	compiled, err := regexp.Compile(`(?s)\A` + pattern + `\z`)
	r.pattern = compiled
	return r, err == nil
}

// trimSpaces takes spaces away from the end, unless a backslash keeps them.
func trimSpaces(line string) string {
	for strings.HasSuffix(line, " ") {
		before := strings.TrimSuffix(line, " ")
		escapes := len(before) - len(strings.TrimRight(before, `\`))
		if escapes%2 == 1 {
			return line
		}
		line = before
	}
	return line
}
