// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"encoding/json"
	"time"
)

// microTime is how a Lease writes times.
const microTime = "2006-01-02T15:04:05.000000Z"

// object is a Lease as the API server sent it. Fields that nobody here knows are sent back as they came.
type object map[string]any

// part is a map below the object, made when it is missing.
func (o object) part(path ...string) map[string]any {
	at := map[string]any(o)
	for _, key := range path {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	return at
}

func (o object) holder() string  { return text(o.part("spec"), "holderIdentity") }
func (o object) renewed() string { return text(o.part("spec"), "renewTime") }
func (o object) record() string  { return text(o.part("metadata", "annotations"), Annotation) }

func (o object) duration() time.Duration {
	return time.Duration(number(o.part("spec"), "leaseDurationSeconds")) * time.Second
}

func (o object) take(holder string, ttl time.Duration, at time.Time) {
	spec, now := o.part("spec"), at.UTC().Format(microTime)
	if o.holder() != holder {
		spec["acquireTime"] = now
		spec["leaseTransitions"] = number(spec, "leaseTransitions") + 1
	}
	spec["holderIdentity"], spec["renewTime"] = holder, now
	spec["leaseDurationSeconds"] = max(1, int64((ttl+time.Second-1)/time.Second))
}

func (o object) release() { delete(o.part("spec"), "holderIdentity") }

func (o object) keep(record string) { o.part("metadata", "annotations")[Annotation] = record }

func text(in map[string]any, key string) string {
	out, _ := in[key].(string)
	return out
}

func number(in map[string]any, key string) int64 {
	switch n := in[key].(type) {
	case json.Number:
		out, _ := n.Int64()
		return out
	case int64:
		return n
	}
	return 0
}
