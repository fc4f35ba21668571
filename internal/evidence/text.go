// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxLine is the longest line of a log that is kept, in bytes.
	maxLine = 4096
	// maxPhrase is the longest text of others in one line of the summary.
	maxPhrase = 1024

	ellipsis = "…"
)

// colour is what programs print to colour and move text on a terminal.
var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// lastLines makes the last lines of a log fit to be kept; empty when there is nothing but white space.
func lastLines(raw string, n int) string {
	raw = strings.TrimRightFunc(raw, unicode.IsSpace)
	if raw == "" {
		return ""
	}
	var lines []string
	for more := true; more && len(lines) < n; {
		start := strings.LastIndexByte(raw, '\n')
		lines = append(lines, bounded(strings.TrimSuffix(raw[start+1:], "\r"), maxLine))
		if more = start >= 0; more {
			raw = raw[:start]
		}
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n") + "\n"
}

// bounded cuts before it looks at every character, because the text may be huge, and once more after, because marks are longer
// than what they stand for.
func bounded(raw string, limit int) string {
	text := printable(cut(raw, limit))
	if len(raw) > limit || len(text) > limit {
		return cut(text, limit-len(ellipsis)) + ellipsis
	}
	return text
}

// phrase makes a text of others one line of bounded length.
func phrase(text string) string { return bounded(strings.Join(strings.Fields(text), " "), maxPhrase) }

// printable drops colours, and puts a mark in place of bytes that are not text and of what could move a terminal's cursor.
func printable(raw string) string {
	text := strings.ToValidUTF8(colour.ReplaceAllString(raw, ""), string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, text)
}

// cut shortens to at most limit bytes without breaking a character, where there are characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
