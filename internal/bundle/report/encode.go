// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Decode reads what Encode wrote.
func Decode(text []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("reading a bundle report: %w", err)
	}
	return r, nil
}

// Encode writes at most Limit bytes. What is decisive stays whole; lists and texts are cut, the least important first.
func Encode(r Report) []byte {
	text := marshal(r)
	r.Processes, r.Warnings, r.Unsupported = maps.Clone(r.Processes), slices.Clone(r.Warnings), slices.Clone(r.Unsupported)
	for _, shorten := range []func(*Report) bool{
		func(r *Report) bool { return drop(&r.Warnings, 5) },
		func(r *Report) bool { return drop(&r.Unsupported, 10) },
		func(r *Report) bool { return cutTexts(r.Warnings, 120) },
		func(r *Report) bool { return cutTexts(r.Unsupported, 120) },
		func(r *Report) bool { return cutText(&r.Error, 1024) },
		func(r *Report) bool { return drop(&r.Warnings, 0) },
		func(r *Report) bool { return drop(&r.Unsupported, 0) },
		func(r *Report) bool { return drop(&r.Options, 0) }, // environments would run without them
		func(r *Report) bool { return drop(&r.Release, 0) },
		dropProcess,
		func(r *Report) bool { return cutText(&r.Error, 200) },
	} {
		for len(text) > Limit && shorten(&r) {
			r.Cut = true
			text = marshal(r)
		}
	}
	return text
}

// marshal cannot fail: the type holds nothing but texts and numbers.
func marshal(r Report) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		return []byte(`{"error":"the result could not be written","reason":"Internal","retry":false,"seconds":0}`)
	}
	return text
}

// drop shortens a list by its last eighth, never below keep, and says whether there was anything to drop.
func drop[T any](list *[]T, keep int) bool {
	if len(*list) <= keep {
		return false
	}
	*list = (*list)[:max(keep, len(*list)-max(1, len(*list)/8))]
	return true
}

// cutTexts cuts one text that is too long. It never changes the caller's list.
func cutTexts(list []string, longest int) bool {
	for i := range list {
		if len(list[i]) > longest+len("…") {
			return cutText(&list[i], longest)
		}
	}
	return false
}

func cutText(text *string, longest int) bool {
	if len(*text) <= longest+len("…") {
		return false
	}
	*text = strings.ToValidUTF8((*text)[:longest], "") + "…"
	return true
}

// dropProcess leaves web for last: without it nothing runs.
func dropProcess(r *Report) bool {
	longest := ""
	for name, command := range r.Processes {
		if longest == "" || longest == "web" || name != "web" && len(name)+len(command) > len(longest)+len(r.Processes[longest]) {
			longest = name
		}
	}
	delete(r.Processes, longest)
	return longest != ""
}
