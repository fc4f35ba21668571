// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
)

// Credentials are those of one pull Secret. They choose an entry as the kubelet does, so that what a node can pull Beanpod
// can ask for. A nil *Credentials asks anonymously. They print as the Secret's name only.
type Credentials struct {
	secret  string
	entries []entry
}

// entry is what one key of a Docker configuration says: which images it is for, and who to be.
type entry struct {
	host, path string
	login      authn.AuthConfig
}

// NewCredentials reads a Secret of type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg. Its errors never repeat
// the content.
func NewCredentials(secret *corev1.Secret) (*Credentials, error) {
	logins, err := decode(secret)
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(logins))
	for key := range logins {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	slices.Reverse(keys) // so that a longer path comes before a shorter one, as in the kubelet
	out := &Credentials{secret: secret.Name}
	for _, key := range keys {
		if e, ok := newEntry(key, logins[key]); ok {
			out.entries = append(out.entries, e)
		}
	}
	return out, nil
}

// login is one entry as Docker writes it; auth is base64 of user:password.
type login struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

func decode(secret *corev1.Secret) (map[string]login, error) {
	var (
		file   struct{ Auths map[string]login }
		target any
		key    string
	)
	switch secret.Type {
	case corev1.SecretTypeDockerConfigJson:
		key, target = corev1.DockerConfigJsonKey, &file
	case corev1.SecretTypeDockercfg:
		key, target = corev1.DockerConfigKey, &file.Auths
	default:
		return nil, fmt.Errorf("has type %q instead of %s", secret.Type, corev1.SecretTypeDockerConfigJson)
	}
	if json.Unmarshal(secret.Data[key], target) != nil {
		return nil, fmt.Errorf("has a key %s that is not a Docker configuration", key)
	}
	return file.Auths, nil
}

func newEntry(key string, l login) (entry, bool) {
	if !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "http://") {
		key = "https://" + key
	}
	at, err := url.Parse(key)
	if err != nil || at.Host == "" {
		return entry{}, false
	}
	e := entry{host: at.Host, path: strings.TrimSuffix(at.Path, "/"), login: authn.AuthConfig{
		Username: l.Username, Password: l.Password, IdentityToken: l.IdentityToken, RegistryToken: l.RegistryToken,
	}}
	if e.host == "docker.io" {
		e.host = name.DefaultRegistry
	}
	for _, version := range []string{"/v1", "/v2"} {
		if rest, ok := strings.CutPrefix(e.path, version); ok && (rest == "" || rest[0] == '/') {
			e.path = rest
		}
	}
	if user, password, ok := decodeAuth(l.Auth); ok {
		e.login.Username, e.login.Password = user, password
	}
	return e, true
}

func decodeAuth(auth string) (user, password string, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		if plain, err = base64.RawStdEncoding.DecodeString(auth); err != nil {
			return "", "", false
		}
	}
	user, password, ok = strings.Cut(string(plain), ":")
	return user, strings.TrimRight(password, "\x00"), ok
}

// Resolve chooses the login for a repository; it makes Credentials an authn.Keychain.
func (c *Credentials) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if e := c.find(target.RegistryStr(), target.String()); e != nil {
		return authn.FromConfig(e.login), nil
	}
	return authn.Anonymous, nil
}

func (c *Credentials) find(host, repository string) *entry {
	if c == nil {
		return nil
	}
	at := strings.TrimPrefix(repository, host)
	for i := range c.entries {
		if e := &c.entries[i]; sameHost(e.host, host) && strings.HasPrefix(at, e.path) {
			return e
		}
	}
	return nil
}

// sameHost matches label by label, where an entry may have wildcards: *.registry.example. Ports must be equal.
func sameHost(pattern, host string) bool {
	patternName, patternPort := splitPort(pattern)
	hostName, hostPort := splitPort(host)
	want, got := strings.Split(patternName, "."), strings.Split(hostName, ".")
	if patternPort != hostPort || len(want) != len(got) {
		return false
	}
	for i := range want {
		if ok, err := path.Match(want[i], got[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

func splitPort(host string) (string, string) {
	if bare, port, err := net.SplitHostPort(host); err == nil {
		return bare, port
	}
	return host, ""
}

// advice says what to do when a registry refuses to show an image.
func (c *Credentials) advice(ref name.Reference) string {
	repository := ref.Context()
	switch {
	case c == nil:
		return "Create a version whose source.image.pullSecretRef names a Secret with credentials for " + repository.RegistryStr() + "."
	case c.find(repository.RegistryStr(), repository.String()) == nil:
		return fmt.Sprintf("Add credentials for %s to Secret %s: it has none.", repository.RegistryStr(), c.secret)
	default:
		return fmt.Sprintf("Put credentials that may read it into Secret %s.", c.secret)
	}
}

// String keeps secrets out of every log and message.
func (c *Credentials) String() string {
	if c == nil {
		return "anonymous"
	}
	return "Secret " + c.secret
}

// GoString does the same for %#v.
func (c *Credentials) GoString() string { return c.String() }
