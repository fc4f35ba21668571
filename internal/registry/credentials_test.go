// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func makeSecret(kind corev1.SecretType, key, content string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "regcred"},
		Type:       kind,
		Data:       map[string][]byte{key: []byte(content)},
	}
}

func dockerConfig(auths string) *corev1.Secret {
	return makeSecret(corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, `{"auths":{`+auths+`}}`)
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func TestCredentialsChooseAsTheKubelet(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, auths, reference, want string
	}{
		{"host", `"registry.example":{"username":"a","password":"p"}`, "registry.example/shop:1", "a"},
		{"other host", `"registry.example":{"username":"a"}`, "other.example/shop:1", ""},
		{"host is not a suffix", `"example":{"username":"a"}`, "registry.example/shop:1", ""},
		{"auth wins over username", `"registry.example":{"username":"x","auth":"` + basic("a", "p:q") + `"}`, "registry.example/shop:1", "a"},
		{"auth without padding", `"registry.example":{"auth":"` + strings.TrimRight(basic("ab", "p"), "=") + `"}`, "registry.example/shop:1", "ab"},
		{"scheme", `"https://registry.example":{"username":"a"}`, "registry.example/shop:1", "a"},
		{"version path", `"https://registry.example/v2/":{"username":"a"}`, "registry.example/shop:1", "a"},
		{"port", `"registry.example:5000":{"username":"a"}`, "registry.example:5000/shop:1", "a"},
		{"port differs", `"registry.example":{"username":"a"}`, "registry.example:5000/shop:1", ""},
		{"wildcard", `"*.registry.example":{"username":"a"}`, "eu.registry.example/shop:1", "a"},
		{"wildcard is one label", `"*.example":{"username":"a"}`, "eu.registry.example/shop:1", ""},
		{"path", `"registry.example/team":{"username":"a"}`, "registry.example/team/shop:1", "a"},
		{"other path", `"registry.example/team":{"username":"a"}`, "registry.example/crew/shop:1", ""},
		{"longest path wins", `"registry.example":{"username":"a"},"registry.example/team":{"username":"b"}`, "registry.example/team/shop:1", "b"},
		{"Docker Hub's old key", `"https://index.docker.io/v1/":{"username":"a"}`, "library/nginx", "a"},
		{"Docker Hub's short key", `"docker.io":{"username":"a"}`, "nginx:1", "a"},
		{"unreadable key is skipped", `"%%":{"username":"b"},"registry.example":{"username":"a"}`, "registry.example/shop:1", "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			keys, err := NewCredentials(dockerConfig(tc.auths))
			if err != nil {
				t.Fatalf("NewCredentials: %v", err)
			}
			if got := userFor(t, keys, tc.reference); got != tc.want {
				t.Errorf("user for %s = %q, want %q", tc.reference, got, tc.want)
			}
		})
	}
}

func userFor(t *testing.T, keys *Credentials, reference string) string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatalf("ParseReference: %v", err)
	}
	login, err := keys.Resolve(ref.Context())
	if err != nil {
		t.Fatalf("Resolve: %v", err)
	}
	config, err := login.Authorization()
	if err != nil {
		t.Fatalf("Authorization: %v", err)
	}
	return config.Username
}

func TestCredentialsOfLegacySecret(t *testing.T) {
	t.Parallel()
	keys, err := NewCredentials(makeSecret(corev1.SecretTypeDockercfg, corev1.DockerConfigKey, `{"registry.example":{"username":"a"}}`))
	if err != nil {
		t.Fatalf("NewCredentials: %v", err)
	}
	if got := userFor(t, keys, "registry.example/shop:1"); got != "a" {
		t.Errorf("user = %q, want a", got)
	}
}

func TestCredentialsAnonymous(t *testing.T) {
	t.Parallel()
	var keys *Credentials
	login, err := keys.Resolve(name.MustParseReference("registry.example/shop").Context())
	if err != nil || login != authn.Anonymous {
		t.Errorf("Resolve = %v, %v, want Anonymous", login, err)
	}
}

func TestCredentialsNeverShowSecrets(t *testing.T) {
	t.Parallel()
	const canary = "CANARY1234"
	for _, tc := range []struct {
		name   string
		secret *corev1.Secret
		want   string
	}{
		{"not JSON", makeSecret(corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, canary), "has a key .dockerconfigjson that is not a Docker configuration"},
		{"wrong shape", makeSecret(corev1.SecretTypeDockercfg, corev1.DockerConfigKey, `["`+canary+`"]`), "has a key .dockercfg that is not a Docker configuration"},
		{"missing key", makeSecret(corev1.SecretTypeDockerConfigJson, "other", canary), "has a key .dockerconfigjson that is not a Docker configuration"},
		{"wrong type", makeSecret(corev1.SecretTypeOpaque, corev1.DockerConfigJsonKey, canary), `has type "Opaque" instead of kubernetes.io/dockerconfigjson`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewCredentials(tc.secret)
			if err == nil || err.Error() != tc.want {
				t.Errorf("NewCredentials = %v, want %q", err, tc.want)
			}
		})
	}
	keys, err := NewCredentials(dockerConfig(`"registry.example":{"auth":"` + basic("user", canary) + `"}`))
	if err != nil {
		t.Fatalf("NewCredentials: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, keys); strings.Contains(text, canary) || !strings.Contains(text, "regcred") {
			t.Errorf("%s gives %q", verb, text)
		}
	}
}
