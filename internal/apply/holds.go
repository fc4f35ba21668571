// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import "reflect"

// ignored are fields that identify the object or are decided by the server.
var ignored = map[string]bool{"apiVersion": true, "kind": true, "managedFields": true}

// merged are lists that others may add to; server-side apply merges them by key. Every other list is ours as a whole.
var merged = map[string]bool{
	"containers": true, "env": true, "ports": true, "volumes": true, "volumeMounts": true,
	"ownerReferences": true, "imagePullSecrets": true, "topologySpreadConstraints": true,
}

// whole are maps that are ours as a whole: an added key would select other pods or other nodes.
var whole = map[string]bool{"selector": true, "matchLabels": true, "nodeSelector": true}

// holds says whether every field of the intent is in the live object with the same value. Fields that the intent does not
// have are other people's. A field that the server leaves out because it is zero holds too.
func holds(intent, live map[string]any) bool {
	for key, want := range intent {
		if ignored[key] {
			continue
		}
		if !holdsValue(key, want, live[key]) {
			return false
		}
	}
	return true
}

func holdsValue(key string, want, have any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		if whole[key] && len(w) != len(h) {
			return false
		}
		return holds(w, h)
	case []any:
		h, _ := have.([]any)
		return holdsList(key, w, h)
	case float64:
		return number(have) == w
	case nil:
		return have == nil
	default:
		if have == nil {
			return reflect.ValueOf(want).IsZero()
		}
		return want == have
	}
}

func holdsList(key string, want, have []any) bool {
	if len(want) > len(have) || (len(want) < len(have) && !merged[key]) {
		return false
	}
	for i, w := range want {
		if holdsValue(key+"[]", w, have[i]) {
			continue
		}
		if !merged[key] || !anyHolds(key, w, have) {
			return false
		}
	}
	return true
}

func anyHolds(key string, want any, have []any) bool {
	for _, h := range have {
		if holdsValue(key+"[]", want, h) {
			return true
		}
	}
	return false
}

// number reads what the converter makes of a number; absent is zero.
func number(v any) float64 {
	switch n := v.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	case nil:
		return 0
	default:
		// Not a number at all: never equal.
		return -1 << 62
	}
}
