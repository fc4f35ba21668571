// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Longest message that is looked at, and longest text of others that goes into a message of ours.
const (
	maxRaw    = 2048
	maxDetail = 500
	// maxPasses is how often noise is looked for. A message that needs more was made to be slow; it loses its digits and brackets.
	maxPasses = 8
)

const uuid = `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`

// noise is what moves by itself in messages of the kubelet, the scheduler, registries and the API server, or differs between
// instances that have the same trouble: replacing it keeps the text the same until something really changes. One replacement may
// make another possible.
var noise = []struct {
	match *regexp.Regexp
	with  string
}{
	// Names of instances and their UIDs; the cause lists the names.
	{regexp.MustCompile(`\(pod: "[^"]*"\)`), ""},
	{regexp.MustCompile(`\(pod: "[^"]*", `), "("},
	{regexp.MustCompile(`pods "[^"]*" is forbidden: `), ""},
	{regexp.MustCompile(`\(` + uuid + `\)`), ""},
	{regexp.MustCompile(`(?i)\brequest[ -]?id:? ` + uuid), ""},
	// Times, and durations with the word before them. Image names may look like durations, so both ends must be free.
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?`), ""},
	{regexp.MustCompile(`(^|[ (=])(?:(?:for|after|in|within) )?(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:h|ms|µs|ns|s)($|[ ,.;:)])`), "${1}${2}"},
	// The caller's port of a connection.
	{regexp.MustCompile(`:\d{1,5}->`), "->"},
	// Signatures and credentials inside addresses.
	{regexp.MustCompile(`(https?://[^\s"?]*)\?[^\s"]*`), "${1}"},
	{regexp.MustCompile(`([a-z]+://)[^\s/"@]*@`), "${1}"},
	// The Go value by which an autoscaler says of what it has no metric.
	{regexp.MustCompile(`/&LabelSelector\{MatchLabels:map\[string\]string\{[^{}]*\},MatchExpressions:[^{}]*\{\},\}`), ""},
	// Brackets that are empty now.
	{regexp.MustCompile(`\(\s*\)|\[\s*\]`), ""},
}

// Clean makes a message of somebody else fit to be part of ours: one line of valid text, bounded, and without anything that
// moves by itself. Cleaning twice is the same as cleaning once.
func Clean(message string) string {
	text := oneLine(cut(message, maxRaw))
	for range maxPasses {
		before := text
		for _, n := range noise {
			text = n.match.ReplaceAllString(text, n.with)
		}
		if text = oneLine(text); text == before {
			return cut(text, maxDetail)
		}
	}
	return cut(oneLine(strings.Map(plain, text)), maxDetail)
}

// plain keeps what no noise can be made of.
func plain(r rune) rune {
	if strings.ContainsRune("0123456789()[]:?@/", r) {
		return -1
	}
	return r
}

// oneLine drops what is not valid text, control characters, and all white space but single spaces.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// cut shortens text to at most limit bytes without breaking a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.TrimRight(text[:end], " ") + "…"
}

// sentence ends text with a full stop.
func sentence(text string) string {
	return strings.TrimRight(text, " .:;,") + "."
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// number chooses between singular and plural.
func number(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
