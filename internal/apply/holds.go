// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

// ignored are fields at the top that identify the object's type; what the cache holds does not have them.
var ignored = map[string]bool{"apiVersion": true, "kind": true}

// merged are lists that others may add to; server-side apply merges them by key. Every other list is ours as a whole, with
// all that is inside.
var merged = map[string]bool{
	"containers": true, "initContainers": true, "env": true, "ports": true, "volumes": true, "volumeMounts": true,
	"ownerReferences": true, "imagePullSecrets": true, "topologySpreadConstraints": true,
}

// whole are maps that are ours as a whole: an added key would select other pods or other nodes.
var whole = map[string]bool{
	"selector": true, "matchLabels": true, "nodeSelector": true,
	"podSelector": true, "namespaceSelector": true, "labelSelector": true,
}

// dropped are fields that the API leaves out when they are zero. For any other, absent is not zero: a pod without
// automountServiceAccountToken gets a token.
var dropped = map[string]bool{"minReadySeconds": true, "value": true}

// holds says whether every field of the intent is in the live object with the same value. Fields that the intent does not
// have are other people's.
func holds(intent, live map[string]any) bool {
	for key, want := range intent {
		if !ignored[key] && !holdsValue(key, want, live[key], false) {
			return false
		}
	}
	return true
}

// holdsValue compares one field. Inside a list that is ours as a whole (exact), nobody may add fields either.
func holdsValue(key string, want, have any, exact bool) bool {
	if have == nil && dropped[key] {
		return want == "" || want == float64(0)
	}
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		return ok && holdsMap(w, h, exact || whole[key])
	case []any:
		h, _ := have.([]any)
		return holdsList(key, w, h, exact)
	case float64:
		n, ok := number(have)
		return ok && n == w
	default:
		return want == have
	}
}

func holdsMap(want, have map[string]any, exact bool) bool {
	if exact && len(want) != len(have) {
		return false
	}
	for key, w := range want {
		if !holdsValue(key, w, have[key], exact) {
			return false
		}
	}
	return true
}

func holdsList(key string, want, have []any, exact bool) bool {
	exact = exact || !merged[key]
	if len(want) > len(have) || (exact && len(want) < len(have)) {
		return false
	}
	for i, w := range want {
		if holdsValue(key+"[]", w, have[i], exact) {
			continue
		}
		if exact || !anyHolds(key, w, have) {
			return false
		}
	}
	return true
}

func anyHolds(key string, want any, have []any) bool {
	for _, h := range have {
		if holdsValue(key+"[]", want, h, false) {
			return true
		}
	}
	return false
}

// number reads what the converter makes of a number.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
}
