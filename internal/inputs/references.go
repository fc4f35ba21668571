// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// The kinds of references, as they are recorded.
const (
	kindSecret    = "secret"
	kindConfigMap = "configmap"
)

// reference is a Secret or ConfigMap, with the keys that must be in it and the field that first names it. With everyKey among the keys,
// whatever it holds counts.
type reference struct {
	kind, name string
	keys       []string
	field      string
}

// everyKey stands for all keys of an object that is mounted. No key can be called that.
const everyKey = "*"

// memory remembers what was read, so that an unchanged Secret is read once for each process.
type memory struct {
	mu    sync.Mutex
	facts map[memoryKey]settings.CheckedInput
}

// memoryKey tells environments apart that use different keys of one object.
type memoryKey struct {
	uid  types.UID
	keys string
}

func (m *memory) get(key memoryKey) (settings.CheckedInput, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fact, ok := m.facts[key]
	return fact, ok
}

func (m *memory) put(key memoryKey, fact settings.CheckedInput) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.facts == nil {
		m.facts = map[memoryKey]settings.CheckedInput{}
	}
	m.facts[key] = fact
}

// SecretNames and ConfigMapNames list what an Environment refers to, for the indexes by which it is woken. The Secrets of databases are
// those of status: a claim that is gone names none.
func SecretNames(env *v1alpha1.Environment) []string {
	out := names(env, kindSecret)
	for _, b := range env.Status.Databases {
		if b.SecretRef != nil && !slices.Contains(out, b.SecretRef.Name) {
			out = append(out, b.SecretRef.Name)
		}
	}
	return out
}

// ConfigMapNames lists the ConfigMaps that an Environment refers to.
func ConfigMapNames(env *v1alpha1.Environment) []string { return names(env, kindConfigMap) }

func names(env *v1alpha1.Environment, kind string) []string {
	var out []string
	for _, r := range referencesOf(env) {
		if r.kind == kind {
			out = append(out, r.name)
		}
	}
	return out
}

// referencesOf collects references, each object once, ordered by kind and name.
func referencesOf(env *v1alpha1.Environment) []reference {
	found := map[string]*reference{}
	add := func(kind, name, key, field string) {
		r := found[kind+"/"+name]
		if r == nil {
			r = &reference{kind: kind, name: name, field: field}
			found[kind+"/"+name] = r
		}
		if key != "" && !slices.Contains(r.keys, key) {
			r.keys = append(r.keys, key)
		}
	}
	propertyReferences(env.Spec.EnvironmentProperties, add)
	if env.Spec.PodTemplate != nil {
		volumeReferences(env.Spec.PodTemplate.Volumes, add)
	}
	if r := env.Spec.Routing; r != nil && r.TLS != nil && r.TLS.SecretName != "" {
		add(kindSecret, r.TLS.SecretName, "", "spec.routing.tls.secretName")
	}
	queueReferences(env, add)
	out := make([]reference, 0, len(found))
	for _, r := range found {
		slices.Sort(r.keys)
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b reference) int { return strings.Compare(a.kind+"/"+a.name, b.kind+"/"+b.name) })
	return out
}

type adder func(kind, name, key, field string)

func propertyReferences(list []v1alpha1.EnvironmentProperty, add adder) {
	for _, p := range list {
		if p.ValueFrom == nil {
			continue
		}
		field := fmt.Sprintf("spec.environmentProperties[%s]", p.Name)
		if ref := p.ValueFrom.SecretKeyRef; ref != nil {
			add(kindSecret, ref.Name, ref.Key, field)
		}
		if ref := p.ValueFrom.ConfigMapKeyRef; ref != nil {
			add(kindConfigMap, ref.Name, ref.Key, field)
		}
	}
}

func volumeReferences(list []v1alpha1.Volume, add adder) {
	for _, v := range list {
		field := fmt.Sprintf("spec.podTemplate.volumes[%s]", v.Name)
		if v.Secret != nil {
			add(kindSecret, v.Secret.Name, everyKey, field)
		}
		if v.ConfigMap != nil {
			add(kindConfigMap, v.ConfigMap.Name, everyKey, field)
		}
	}
}

// references checks all of them, and reports all that are missing at once.
func (l *Loader) references(ctx context.Context, env *v1alpha1.Environment, recorded string) ([]settings.CheckedInput, error) {
	known := settings.DecodeInputs(recorded)
	var checked []settings.CheckedInput
	var missing []string
	var reason string
	for _, ref := range referencesOf(env) {
		fact, err := l.check(ctx, env, ref, known)
		if s := outcome.AsStall(err); s != nil {
			missing = append(missing, s.Message)
			if reason == "" {
				reason = s.Reason
			}
			continue
		}
		if err != nil {
			return checked, err
		}
		checked = append(checked, fact)
	}
	if len(missing) > 0 {
		return checked, stall(reason, "%s", strings.Join(missing, "; "))
	}
	return checked, nil
}

// check finds one object as the Environment's own policy has it.
func (l *Loader) check(ctx context.Context, env *v1alpha1.Environment, ref reference, known []settings.CheckedInput) (settings.CheckedInput, error) {
	return l.checkFor(ctx, env.Namespace, ref, env.Spec.OnSecretChange, known)
}

// checkFor finds one object by its cached metadata, and reads its content only when it changed since it was last looked at.
func (l *Loader) checkFor(ctx context.Context, namespace string, ref reference, policy v1alpha1.SecretChangePolicy, known []settings.CheckedInput) (settings.CheckedInput, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kindWord(ref.kind)))
	key := client.ObjectKey{Namespace: namespace, Name: ref.name}
	if err := l.Cache.Get(ctx, key, meta); apierrors.IsNotFound(err) {
		return settings.CheckedInput{}, notFound(ref)
	} else if err != nil {
		return settings.CheckedInput{}, fmt.Errorf("loading %s %s: %w", kindWord(ref.kind), ref.name, err)
	}
	keys := keysDigest(ref.keys, policy)
	memo := memoryKey{meta.UID, keys}
	current := func(f settings.CheckedInput) bool {
		return f.Kind == ref.kind && f.Name == ref.name && f.ResourceVersion == meta.ResourceVersion && strings.HasPrefix(f.Digest, keys)
	}
	if fact, ok := l.memory.get(memo); ok && current(fact) {
		return fact, nil
	}
	if i := slices.IndexFunc(known, current); i >= 0 {
		l.memory.put(memo, known[i])
		return known[i], nil
	}
	fact, plain, err := l.read(ctx, key, ref, policy == v1alpha1.SecretChangeRollout)
	fact.Digest = keys + fact.Digest
	if before := (settings.CheckedInput{Kind: ref.kind, Name: ref.name, ResourceVersion: fact.ResourceVersion, Digest: keys + plain}); plain != "" && sameDigest(known, before) {
		fact = before // of a release whose digests had no key: the content is the same, and must restart nothing
	}
	if err == nil {
		l.memory.put(memo, fact)
	}
	return fact, err
}

// read looks at the content. Values are digested only when a change of them must be noticed. The digest of a Secret has its UID as a
// key, which only those know who may read the Secret: nobody else can test guesses of a short password. Plain is the one without.
func (l *Loader) read(ctx context.Context, key client.ObjectKey, ref reference, digest bool) (fact settings.CheckedInput, plain string, err error) {
	var data map[string][]byte
	var version, uid string
	if ref.kind == kindSecret {
		var s corev1.Secret
		err = l.Live.Get(ctx, key, &s)
		data, version, uid = s.Data, s.ResourceVersion, string(s.UID)
	} else {
		var c corev1.ConfigMap
		err = l.Live.Get(ctx, key, &c)
		data, version = configData(&c), c.ResourceVersion
	}
	if apierrors.IsNotFound(err) {
		return settings.CheckedInput{}, "", notFound(ref)
	}
	if err != nil {
		return settings.CheckedInput{}, "", fmt.Errorf("reading %s %s: %w", kindWord(ref.kind), ref.name, err)
	}
	var content bytes.Buffer
	for _, k := range ref.keys {
		if k == everyKey {
			for _, name := range slices.Sorted(maps.Keys(data)) {
				fmt.Fprintf(&content, "%q:%q\n", name, data[name])
			}
			continue
		}
		value, ok := data[k]
		if !ok {
			return settings.CheckedInput{}, "", keyNotFound(ref, k)
		}
		fmt.Fprintf(&content, "%q=%q\n", k, value)
	}
	fact = settings.CheckedInput{Kind: ref.kind, Name: ref.name, ResourceVersion: version}
	if !digest {
		return fact, "", nil
	}
	sum := sha256.Sum256(content.Bytes())
	if fact.Digest = hex.EncodeToString(sum[:])[:16]; ref.kind != kindSecret {
		return fact, "", nil
	}
	plain = fact.Digest
	keyed := hmac.New(sha256.New, []byte(uid))
	_, _ = keyed.Write(content.Bytes())
	fact.Digest = hex.EncodeToString(keyed.Sum(nil))[:16]
	return fact, plain, nil
}

// sameDigest says whether an object was recorded with this digest, at whatever version.
func sameDigest(known []settings.CheckedInput, fact settings.CheckedInput) bool {
	return slices.ContainsFunc(known, func(f settings.CheckedInput) bool {
		return f.Kind == fact.Kind && f.Name == fact.Name && f.Digest == fact.Digest
	})
}

func configData(c *corev1.ConfigMap) map[string][]byte {
	out := make(map[string][]byte, len(c.Data)+len(c.BinaryData))
	for k, v := range c.Data {
		out[k] = []byte(v)
	}
	for k, v := range c.BinaryData {
		out[k] = v
	}
	return out
}

// keysDigest makes a record of other keys of the same object, or one made under another policy, look like another record.
func keysDigest(keys []string, policy v1alpha1.SecretChangePolicy) string {
	sum := sha256.Sum256([]byte(string(policy) + "\n" + strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:4]) + "."
}

func kindWord(kind string) string {
	if kind == kindSecret {
		return "Secret"
	}
	return "ConfigMap"
}

func notFound(ref reference) error {
	reason := v1alpha1.ReasonSecretNotFound
	if ref.kind == kindConfigMap {
		reason = v1alpha1.ReasonConfigMapNotFound
	}
	return stall(reason, "%s refers to %s %q, which does not exist in this namespace; create it or remove the reference", ref.field, kindWord(ref.kind), ref.name)
}

func keyNotFound(ref reference, key string) error {
	reason := v1alpha1.ReasonSecretKeyNotFound
	if ref.kind == kindConfigMap {
		reason = v1alpha1.ReasonConfigMapKeyNotFound
	}
	return stall(reason, "%s refers to key %q of %s %q, which has no such key; add it or correct the key", ref.field, key, kindWord(ref.kind), ref.name)
}
