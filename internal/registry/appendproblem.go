// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	corev1 "k8s.io/api/core/v1"
)

// secretAdvice names where the operator's credentials come from.
const secretAdvice = "the Secret that store.registry.secretName names in the chart (--artifact-registry-credentials)"

// CheckPrefix says whether repositories can be made below a prefix.
func CheckPrefix(prefix string) error {
	at, err := name.NewRepository(prefix+"/namespace/application", name.StrictValidation)
	if err == nil && (at.Name() != prefix+"/namespace/application" || strings.Contains(prefix+"/", "//")) {
		err = errors.New("it needs a host first, and no scheme or slash at the end")
	}
	if err != nil {
		return fmt.Errorf("%q is not the beginning of a repository like registry.example.com/team: %w", prefix, err)
	}
	return nil
}

// ReadCredentials reads a Docker configuration from a file.
func ReadCredentials(file string) (*Credentials, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the file with the registry's credentials cannot be read: %w", err)
	}
	secret := &corev1.Secret{Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: text}}
	out, err := NewCredentials(secret)
	if err != nil {
		return nil, fmt.Errorf("the file %s is not a Docker configuration", file)
	}
	out.secret = file
	return out, nil
}

// readingProblem says why there is no image to push: the run image cannot be read, or the artifact.
func readingProblem(base name.Reference, keys *Credentials, err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	out := classify(base, keys, err)
	if out.Definite {
		out.Next = fmt.Sprintf("Correct runImage of the Platform, or put credentials for %s into %s.", base.Context().RegistryStr(), secretAdvice)
	}
	return out
}

// pushProblem says why an image is not in the registry. Layers come from other places, so the host is the one that failed.
func pushProblem(target name.Tag, err error) *Problem {
	var (
		known   *Problem
		blocked *forbidden
		status  *transport.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &blocked):
		return definite("Name the registry by its public or cluster address.", "%s leads to a %s address, which Beanpod does not ask", hostOf(target, err), blocked.kind)
	case errors.As(err, &status):
		return pushStatus(target, status)
	case isNetwork(err):
		return classifyNetwork(hostOf(target, err), err)
	default:
		return passing("%s does not take the image (%s)", target.RegistryStr(), clean(innermost(err).Error()))
	}
}

func pushStatus(target name.Tag, status *transport.Error) *Problem {
	host, words := target.RegistryStr(), quote(status)
	if status.Request != nil && status.Request.URL.Host != "" {
		host = status.Request.URL.Host
	}
	switch {
	case passingStatus(status.StatusCode):
		return passing("%s answers %s", host, words)
	case status.StatusCode == http.StatusUnauthorized, status.StatusCode == http.StatusForbidden:
		return definite("Put credentials that may push there into "+secretAdvice+".", "%s does not let Beanpod write %s (%s)", host, target.Repository, words)
	case status.StatusCode == http.StatusNotFound:
		return definite("Create the repository, or let the registry create repositories when they are pushed to.", "%s does not have %s (%s)", host, target.Repository, words)
	default:
		return definite("Let the registry accept that, or set another prefix in store.registry (--artifact-registry).", "%s refuses %s (%s)", host, target, words)
	}
}

// hostOf is the host that a request failed at.
func hostOf(target name.Tag, err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		if at, err := url.Parse(request.URL); err == nil && at.Host != "" {
			return at.Host
		}
	}
	return target.RegistryStr()
}
