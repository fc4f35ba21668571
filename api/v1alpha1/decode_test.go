// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	k8sjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/schema"
)

// samplesPerKind times eight kinds is 4000 objects, about five seconds.
const samplesPerKind = 500

// TestSchemaAdmitsOnlyWhatGoDecodes makes random objects that the schema admits and reads them with the decoder that
// informers use. One stored object that does not decode stops the informer, and with it every object of the kind, so this
// must never happen. It then asserts that writing the object back loses nothing that the user said.
func TestSchemaAdmitsOnlyWhatGoDecodes(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	codec := k8sjson.NewSerializerWithOptions(k8sjson.DefaultMetaFactory, scheme, scheme, k8sjson.SerializerOptions{Strict: true})
	for _, crd := range loadCRDs(t) {
		t.Run(crd.Name(), func(t *testing.T) {
			t.Parallel()
			seed := fnv.New64a()
			seed.Write([]byte(crd.Name()))
			generator := schema.NewGenerator(seed.Sum64())
			complained := map[string]bool{}
			for range samplesPerKind {
				object, err := generator.Object(crd)
				if err != nil {
					t.Fatal(err)
				}
				for _, complaint := range roundTrip(codec, crd, object) {
					// The same field fails for many values; one is enough.
					if field, _, _ := strings.Cut(complaint, ": "); !complained[field] {
						complained[field] = true
						t.Error(complaint)
					}
				}
			}
		})
	}
}

// roundTrip reads an object into its Go type, writes it, and says what went wrong.
func roundTrip(codec runtime.Serializer, crd schema.CRD, object map[string]any) []string {
	raw, err := json.Marshal(object)
	if err != nil {
		return []string{err.Error()}
	}
	typed, _, err := codec.Decode(raw, nil, nil)
	if err != nil {
		return []string{"decoding: " + err.Error() + "\n" + string(raw)}
	}
	var written bytes.Buffer
	if err := codec.Encode(typed, &written); err != nil {
		return []string{"encoding: " + err.Error()}
	}
	var before, after map[string]any
	if err := utiljson.Unmarshal(raw, &before); err != nil {
		return []string{err.Error()}
	}
	if err := utiljson.Unmarshal(written.Bytes(), &after); err != nil {
		return []string{err.Error()}
	}
	var lost []string
	for _, name := range []string{"spec", "status"} {
		property := crd.Root().Properties[name]
		lost = append(lost, schema.Lost(before[name], after[name], &property, name, layered(crd))...)
	}
	return lost
}

// layered says where an explicit false or 0 must survive, because it wins over a weaker layer. The items of a list come
// from one layer as a whole.
func layered(crd schema.CRD) func(path string) bool {
	return func(path string) bool { return inSettings(crd, path) && !strings.Contains(path, "[*]") }
}
