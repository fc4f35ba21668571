// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package upload

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DefaultServiceAccount is who uploads for people who have no token of their own.
const DefaultServiceAccount = "beanpod-uploader"

// How long a token lives that is made for one upload: the shortest that an API server gives.
const tokenSeconds = 600

// Token proves to the store who asks: the caller's own token, or a short-lived one of a ServiceAccount. The second is taken when one is
// named, when the caller has no token (client certificates), and when the caller acts as somebody else, whom the own token would not show.
func Token(ctx context.Context, config *rest.Config, c client.Client, namespace, serviceAccount string) (string, error) {
	if serviceAccount == "" && config.Impersonate.UserName == "" {
		token, err := own(config)
		if err != nil || token != "" {
			return token, err
		}
	}
	if serviceAccount == "" {
		serviceAccount = DefaultServiceAccount
	}
	seconds := int64(tokenSeconds)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}}
	err := c.SubResource("token").Create(ctx, account, request)
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("you log in without a token, so the upload needs the ServiceAccount %s, which does not exist. Make it once:\n%s",
			serviceAccount, Setup(namespace, serviceAccount))
	case err != nil:
		return "", fmt.Errorf("asking for a token of ServiceAccount %s to upload with: %w", serviceAccount, err)
	}
	return request.Status.Token, nil
}

// Setup is what makes a ServiceAccount that may upload, and nothing else.
func Setup(namespace, name string) string {
	return fmt.Sprintf(`  kubectl -n %[1]s create serviceaccount %[2]s
  kubectl -n %[1]s create role %[2]s --verb=create --resource=applicationversions.beanpod.dev
  kubectl -n %[1]s create rolebinding %[2]s --role=%[2]s --serviceaccount=%[1]s:%[2]s`, namespace, name)
}

// own is the token that requests to the API server carry, wherever the kubeconfig has it from: itself, a file, or a login plugin.
func own(config *rest.Config) (string, error) {
	var seen seen
	chain, err := rest.HTTPWrappersForConfig(config, &seen)
	if err != nil {
		return "", fmt.Errorf("reading the credentials: %w", err)
	}
	request, err := http.NewRequest(http.MethodGet, "https://nowhere.invalid/", nil)
	if err != nil {
		return "", err
	}
	answer, err := chain.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("logging in: %w", err)
	}
	_ = answer.Body.Close() // it is empty
	token, _ := strings.CutPrefix(seen.authorization, "Bearer ")
	if token == seen.authorization {
		return "", nil
	}
	return token, nil
}

// seen ends a chain of transports without sending anything.
type seen struct{ authorization string }

// RoundTrip notes what the chain added.
func (s *seen) RoundTrip(request *http.Request) (*http.Response, error) {
	s.authorization = request.Header.Get("Authorization")
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: request}, nil
}
