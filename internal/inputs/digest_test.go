// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestDigestOfASecret: who can read what is recorded, but not the Secret, cannot test guesses; and a record of a release before stays
// as long as the content does, so that an upgrade restarts nothing.
func TestDigestOfASecret(t *testing.T) {
	t.Parallel()
	ref := reference{kind: kindSecret, name: "keys", keys: []string{"password"}, field: "f"}
	check := func(uid, password, annotation string, known ...settings.CheckedInput) settings.CheckedInput {
		t.Helper()
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "keys", UID: types.UID(uid), Annotations: map[string]string{"note": annotation}},
			Data:       map[string][]byte{"password": []byte(password)},
		}
		c := fake.NewClientBuilder().WithScheme(testkit.Scheme()).WithObjects(secret).Build()
		fact, err := (&Loader{Cache: c, Live: c}).checkFor(t.Context(), "a", ref, v1alpha1.SecretChangeRollout, known)
		if err != nil {
			t.Fatal(err)
		}
		return fact
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q=%q\n", "password", "1234"))
	guess := hex.EncodeToString(sum[:])[:16]
	fact := check("one", "1234", "")
	if strings.Contains(fact.Digest, guess) {
		t.Error("a guess of the password can be tested against the digest")
	}
	if check("two", "1234", "").Digest == fact.Digest {
		t.Error("the digest of another Secret of the same content is the same")
	}
	fact.ResourceVersion = "1"
	if check("one", "1235", "", fact).Digest == fact.Digest {
		t.Error("another password has the same digest")
	}
	old := fact
	old.Digest = strings.Replace(fact.Digest, fact.Digest[strings.Index(fact.Digest, ".")+1:], guess, 1)
	if got := check("one", "1234", "changed", old); got.Digest != old.Digest || got.ResourceVersion == old.ResourceVersion {
		t.Errorf("a record of a release before becomes %+v, and the instances restart", got)
	}
	if got := check("one", "1235", "", old); got.Digest == old.Digest || strings.Contains(got.Digest, guess) {
		t.Errorf("another password is recorded as %+v", got)
	}
}
