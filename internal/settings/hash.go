// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// projection is the version of the list of fields below. Hashes are taken over this list, never over a Go struct, so that an
// upgrade of a library or of the operator restarts no instance. Changing the list restarts every instance of every user:
// the golden hashes in the tests must then be changed on purpose.
const projection = "beanpod-revision-1"

// configurationHash covers the settings that must restart instances when they change.
func configurationHash(s Settings, l Layers) string {
	h := sha256.New()
	put(h, "projection", projection)
	put(h, "tier", string(s.Tier))
	for _, p := range s.Processes {
		put(h, "process", p.Name, p.Port, p.DrainSeconds, p.Health.Path, p.Health.IntervalSeconds, p.Health.TimeoutSeconds,
			p.Health.HealthyThreshold, p.Health.UnhealthyThreshold)
		for _, e := range p.ExtraPorts {
			put(h, "port", e.Name, e.Port)
		}
	}
	for _, p := range s.Properties {
		put(h, "property", p.Name, propertySource(p))
	}
	for _, v := range s.Links {
		put(h, "link", v.Name, v.source())
	}
	// Another password must reach the instances whatever onSecretChange says: somebody asked for it, and the old one ends.
	for _, d := range s.Databases {
		put(h, "database", d.Prefix, d.Secret, d.MountPath, d.Digest)
	}
	if s.Worker != nil {
		putWorker(h, *s.Worker)
	}
	if l.Environment.Spec.OnSecretChange == v1alpha1.SecretChangeRollout {
		for _, in := range l.Checked {
			if reaches(s, in) {
				put(h, "input", in.Kind, in.Name, in.Digest)
			}
		}
	}
	for _, a := range []*v1alpha1.ResourceAmounts{s.Resources.Requests, s.Resources.Limits} {
		if a != nil {
			put(h, "resources", a.CPU, a.Memory, a.EphemeralStorage)
		}
	}
	putPlacement(h, s.Placement)
	put(h, "group", s.Isolation.Group)
	putPod(h, s.Pod)
	return short(h)
}

// putWorker leaves out what follows from the process and the version. The queue's coordinates count: an instance that goes on with
// another queue than the one in status would be worse than a restart.
func putWorker(h hash.Hash, w Worker) {
	c, q := w.Config, w.Config.Queue
	put(h, "queue", q.Provider, q.URL, q.Name, q.Subject, q.Region, q.Group, q.Generated, w.Credentials)
	put(h, "worker", c.Path, c.MimeType, c.Connections, c.ConnectTimeout, c.InactivityTimeout, c.VisibilityTimeout,
		c.ErrorVisibilityTimeout, c.Retention, c.MaxRetries, c.Drain)
	for _, t := range c.Tasks {
		put(h, "task", t.Name, t.Path, t.Schedule, t.TimeZone)
	}
}

// revisionHash covers what runs: the version, the configuration, and a restart token.
func revisionHash(s Settings, restart string) string {
	h := sha256.New()
	put(h, "projection", projection)
	put(h, "version", s.Version.Name, s.Version.Image, s.Version.PullNever, s.Version.PullSecret)
	for _, p := range s.Processes {
		put(h, "command", p.Name, strings.Join(p.Command, "\x00"))
	}
	if a := s.Version.Artifact; a != nil {
		put(h, "artifact", a.SHA256, a.Platform)
		if a.Stamp != "" {
			put(h, "update", a.Stamp)
		}
	}
	put(h, "configuration", s.Configuration)
	put(h, "restart", restart)
	return short(h)
}

// reaches says whether instances get to see an input: as a property, or mounted. A route's certificate is none of theirs.
func reaches(s Settings, in CheckedInput) bool {
	for _, p := range s.Properties {
		if strings.HasPrefix(propertySource(p), in.Kind+":"+in.Name+":") {
			return true
		}
	}
	for _, v := range s.Links {
		if v.Secret != "" && in.Kind == "secret" && in.Name == v.Secret {
			return true
		}
	}
	if s.Worker != nil && in.Kind == "secret" && in.Name == s.Worker.Credentials {
		return true
	}
	for _, v := range s.Pod.Volumes {
		if volume := volumeSource(v); strings.EqualFold(volume, in.Kind+":"+in.Name) {
			return true
		}
	}
	return false
}

// Restarted is the revision of instances of another revision that were restarted with a token.
func Restarted(revision, token string) string {
	h := sha256.New()
	put(h, "projection", projection)
	put(h, "restarted", revision, token)
	return short(h)
}

func propertySource(p v1alpha1.EnvironmentProperty) string {
	switch {
	case p.ValueFrom != nil && p.ValueFrom.SecretKeyRef != nil:
		return "secret:" + p.ValueFrom.SecretKeyRef.Name + ":" + p.ValueFrom.SecretKeyRef.Key
	case p.ValueFrom != nil && p.ValueFrom.ConfigMapKeyRef != nil:
		return "configmap:" + p.ValueFrom.ConfigMapKeyRef.Name + ":" + p.ValueFrom.ConfigMapKeyRef.Key
	case p.Value != nil:
		return "value:" + *p.Value
	default:
		return "value:"
	}
}

func putPlacement(h hash.Hash, p Placement) {
	put(h, "placement", p.Spread, p.Architecture)
	putMap(h, "nodeSelector", p.NodeSelector)
	for _, t := range p.Tolerations {
		seconds := int64(-1)
		if t.TolerationSeconds != nil {
			seconds = *t.TolerationSeconds
		}
		put(h, "toleration", t.Key, t.Operator, t.Value, t.Effect, seconds)
	}
}

func putPod(h hash.Hash, p v1alpha1.PodTemplate) {
	putMap(h, "label", p.Labels)
	putMap(h, "annotation", p.Annotations)
	for _, v := range p.Volumes {
		put(h, "volume", v.Name, volumeSource(v))
	}
	for _, m := range p.VolumeMounts {
		put(h, "mount", m.Name, m.MountPath, m.SubPath, m.ReadOnly)
	}
	put(h, "pod", p.ServiceAccountName, number(p.RunAsUser), number(p.FSGroup), rootFilesystem(p.ReadOnlyRootFilesystem))
}

// rootFilesystem tells an explicit false from unset, because the pod template does. The words for unset and true are old.
func rootFilesystem(readOnly *bool) string {
	switch {
	case readOnly == nil:
		return "false"
	case *readOnly:
		return "true"
	default:
		return "writable"
	}
}

func volumeSource(v v1alpha1.Volume) string {
	switch {
	case v.EmptyDir != nil:
		return "emptyDir:" + v.EmptyDir.SizeLimit + ":" + v.EmptyDir.Medium
	case v.ConfigMap != nil:
		return "configMap:" + v.ConfigMap.Name
	case v.Secret != nil:
		return "secret:" + v.Secret.Name
	case v.PersistentVolumeClaim != nil:
		return "claim:" + v.PersistentVolumeClaim.Name
	default:
		return ""
	}
}

// put writes one line; values are quoted, so that no two different lists give the same bytes.
func put(h hash.Hash, key string, values ...any) {
	fmt.Fprintf(h, "%s", key)
	for _, v := range values {
		fmt.Fprintf(h, " %q", fmt.Sprint(v))
	}
	fmt.Fprintln(h)
}

func putMap[V ~string](h hash.Hash, key string, m map[string]V) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		put(h, key, k, string(m[k]))
	}
}

func number(p *int64) int64 {
	if p == nil {
		return -1
	}
	return *p
}

// short is 20 hexadecimal digits: a label value, and no collision among any number of revisions that one environment has.
func short(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil))[:20] }

// encodeInputs writes what was checked as "kind/name@resourceVersion=digest", separated by semicolons.
func encodeInputs(list []CheckedInput) string {
	parts := make([]string, 0, len(list))
	for _, in := range list {
		parts = append(parts, in.Kind+"/"+in.Name+"@"+in.ResourceVersion+"="+in.Digest)
	}
	slices.Sort(parts)
	return strings.Join(parts, ";")
}

// DecodeInputs reads what encodeInputs wrote; parts that it does not understand are left out.
func DecodeInputs(s string) []CheckedInput {
	var out []CheckedInput
	for part := range strings.SplitSeq(s, ";") {
		id, rest, ok1 := strings.Cut(part, "@")
		kind, name, ok2 := strings.Cut(id, "/")
		version, digest, ok3 := strings.Cut(rest, "=")
		if ok1 && ok2 && ok3 {
			out = append(out, CheckedInput{Kind: kind, Name: name, ResourceVersion: version, Digest: digest})
		}
	}
	return out
}
