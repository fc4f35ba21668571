// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package upload_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/beanpod-dev/beanpod/internal/cli/upload"
)

// accounts gives tokens for ServiceAccounts that exist.
func accounts(exist ...string) client.Client {
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, sub string, o, request client.Object, _ ...client.SubResourceCreateOption) error {
			for _, name := range exist {
				if sub == "token" && name == o.GetNamespace()+"/"+o.GetName() {
					request.(*authenticationv1.TokenRequest).Status.Token = "of " + name
					return nil
				}
			}
			return apierrors.NewNotFound(schema.GroupResource{Resource: "serviceaccounts"}, o.GetName())
		},
	}).Build()
}

func TestToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	plugin := filepath.Join(dir, "login")
	answer := `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}`
	for path, text := range map[string]string{file: "from-file", plugin: "#!/bin/sh\necho '" + answer + "'\n"} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	exec := &clientcmdapi.ExecConfig{Command: plugin, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode}
	as := rest.ImpersonationConfig{UserName: "eve"}
	for _, c := range []struct {
		name    string
		config  rest.Config
		account string
		exist   string
		want    string
	}{
		{"in the kubeconfig", rest.Config{BearerToken: "own"}, "", "", "own"},
		{"in a file", rest.Config{BearerTokenFile: file}, "", "", "from-file"},
		{"from a login plugin", rest.Config{ExecProvider: exec}, "", "", "from-plugin"},
		{"of the account that is asked for", rest.Config{BearerToken: "own"}, "ci", "ns/ci", "of ns/ci"},
		{"of the uploader, for certificates", rest.Config{}, "", "ns/beanpod-uploader", "of ns/beanpod-uploader"},
		{"never the own one for somebody else", rest.Config{BearerToken: "own", Impersonate: as}, "", "ns/beanpod-uploader", "of ns/beanpod-uploader"},
		{"nobody's", rest.Config{}, "", "other/beanpod-uploader", ""},
	} {
		got, err := upload.Token(context.Background(), &c.config, accounts(c.exist), "ns", c.account)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), upload.Setup("ns", "beanpod-uploader")) {
			t.Errorf("%s: %v does not say what to do", c.name, err)
		}
	}
}
