// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/store"
)

const (
	// podName and podUID are what the API server says of a token that is bound to a pod.
	podName = "authentication.kubernetes.io/pod-name"
	podUID  = "authentication.kubernetes.io/pod-uid"
	// remembered is how long the API server's word about a token counts.
	remembered = 10 * time.Second
)

// Kubernetes is the Guard that asks the API server. A pod comes with a token for audience beanpod.dev/store that is bound to it, and
// may do what its own annotations and labels say; a person comes with a token for the API server, and may work with the uploads of
// a namespace in which he may create ApplicationVersions.
type Kubernetes struct {
	// Client creates reviews. Pods are read from Live.
	Client client.Client
	Live   client.Reader
	Now    func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]caller
}

// caller is who a token belongs to.
type caller struct {
	user authenticationv1.UserInfo
	// pod is true for a token that is only for the store.
	pod   bool
	until time.Time
}

var (
	errUnknown = &Refusal{http.StatusUnauthorized, "the token is not valid, or is for another audience"}
	errNamed   = "this pod may not do that: it may read only the artifact, upload or snapshot that its own annotations name"
)

// Allow implements Guard.
func (k *Kubernetes) Allow(ctx context.Context, token string, a Access) (string, error) {
	who, err := k.identify(ctx, token)
	if err != nil {
		return "", err
	}
	if who.pod {
		// Instances of one environment share a ServiceAccount.
		return strings.Join(append([]string{who.user.Username}, who.user.Extra[podName]...), "/"), k.allowPod(ctx, who.user, a)
	}
	return who.user.Username, k.allowPerson(ctx, who.user, a)
}

func (k *Kubernetes) identify(ctx context.Context, token string) (caller, error) {
	key := sha256.Sum256([]byte(token))
	if c, ok := k.remember(key); ok {
		return c, nil
	}
	for _, audience := range []string{v1alpha1.StoreAudience, ""} {
		c, err := k.review(ctx, token, audience)
		if err != nil {
			return caller{}, err
		}
		if c != nil {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.known[key] = *c
			return *c, nil
		}
	}
	return caller{}, errUnknown
}

// remember also forgets what is old.
func (k *Kubernetes) remember(key [sha256.Size]byte) (caller, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = map[[sha256.Size]byte]caller{}
	}
	now := k.Now()
	for other, c := range k.known {
		if !now.Before(c.until) {
			delete(k.known, other)
		}
	}
	c, ok := k.known[key]
	return c, ok
}

// review asks for whom a token is valid; nil: for nobody with that audience. No audience means the API server's own.
func (k *Kubernetes) review(ctx context.Context, token, audience string) (*caller, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if audience != "" {
		review.Spec.Audiences = []string{audience}
	}
	if err := k.Client.Create(ctx, review, client.DisableReadYourWritesConsistency); err != nil {
		return nil, fmt.Errorf("reviewing a token: %w", err)
	}
	// An authenticator that knows nothing of audiences answers for the API server's own.
	if !review.Status.Authenticated || (audience != "" && !slices.Contains(review.Status.Audiences, audience)) {
		return nil, nil
	}
	return &caller{user: review.Status.User, pod: audience != "", until: k.Now().Add(remembered)}, nil
}

// allowPod lets a pod do what it was made for. The token names the pod; the pod, which tenants cannot point at what is not theirs
// without the right to make pods, names the object.
func (k *Kubernetes) allowPod(ctx context.Context, user authenticationv1.UserInfo, a Access) error {
	namespace, found := strings.CutPrefix(user.Username, "system:serviceaccount:")
	namespace, _, _ = strings.Cut(namespace, ":")
	name, uid := first(user.Extra[podName]), first(user.Extra[podUID])
	switch {
	case !found || name == "":
		return &Refusal{http.StatusForbidden, "the token is not bound to a pod"}
	case a.Sample:
		return nil
	case a.Key.Namespace != namespace:
		return &Refusal{http.StatusForbidden, "pods of namespace " + namespace + " have no objects in namespace " + a.Key.Namespace}
	}
	var pod corev1.Pod
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pod)
	if apierrors.IsNotFound(err) || (err == nil && string(pod.UID) != uid) {
		return &Refusal{http.StatusForbidden, "the pod that the token is bound to is gone"}
	}
	if err != nil {
		return fmt.Errorf("reading pod %s: %w", name, err)
	}
	if !may(&pod, a) {
		return &Refusal{http.StatusForbidden, errNamed}
	}
	return nil
}

func first(values authenticationv1.ExtraValue) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func may(pod *corev1.Pod, a Access) bool {
	_, builds := pod.Labels[v1alpha1.LabelBuild]
	switch {
	case a.Key.Kind == store.Snapshot && a.Write:
		return pod.Labels[v1alpha1.LabelDatabase] != "" && pod.Annotations[v1alpha1.AnnotationSnapshot] == a.Key.Name
	case a.Key.Kind == store.Snapshot:
		return pod.Annotations[v1alpha1.AnnotationRestore] == a.Key.Name
	case a.Write:
		return builds && a.Key.Kind == store.Artifact
	case a.Key.Kind == store.Artifact:
		return pod.Annotations[v1alpha1.AnnotationArtifact] == "sha256:"+a.Key.Name
	default:
		return pod.Annotations[v1alpha1.AnnotationUpload] == a.Key.Name
	}
}

func (k *Kubernetes) allowPerson(ctx context.Context, user authenticationv1.UserInfo, a Access) error {
	if a.Sample {
		return nil
	}
	if a.Key.Kind != store.Upload {
		return &Refusal{http.StatusForbidden, "people work with uploads; artifacts and snapshots are made and read by pods"}
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: a.Key.Namespace, Verb: "create", Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: "applicationversions",
		},
	}}
	for name, values := range user.Extra {
		review.Spec.Extra[name] = authorizationv1.ExtraValue(values)
	}
	if err := k.Client.Create(ctx, review, client.DisableReadYourWritesConsistency); err != nil {
		return fmt.Errorf("reviewing an access: %w", err)
	}
	if !review.Status.Allowed {
		return &Refusal{http.StatusForbidden, fmt.Sprintf("%s cannot create applicationversions.%s in namespace %s", user.Username, v1alpha1.GroupVersion.Group, a.Key.Namespace)}
	}
	return nil
}
