// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxAnswer is the longest answer that is read: a Lease with a full annotation and room.
const maxAnswer = 1 << 20

// API says where the API server is. Whatever is empty is as a pod has it by default.
type API struct {
	// URL of the API server.
	URL string
	// Folder with the files token and ca.crt. The token is read for each request, because it is replaced every hour.
	Folder string
	// Now is the clock by which a holder is given up.
	Now func() time.Time
}

// Open opens the Lease NAMESPACE/NAME. It asks nothing of the API server yet.
func Open(name string, at API) (*Lease, error) {
	namespace, base, ok := strings.Cut(name, "/")
	if !ok || namespace == "" || base == "" || strings.ContainsAny(name, " ?#%") || strings.Contains(base, "/") {
		return nil, fmt.Errorf("the lease %q is not of the form NAMESPACE/NAME; write it so in the daemon's configuration", name)
	}
	at.Folder = cmp.Or(at.Folder, "/var/run/secrets/kubernetes.io/serviceaccount")
	if at.URL == "" {
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, errors.New("periodic tasks on this broker need a Lease of Kubernetes, and this is no pod: KUBERNETES_SERVICE_HOST is not set. Run the daemon in a pod")
		}
		at.URL = "https://" + net.JoinHostPort(host, port)
	}
	client, err := connect(filepath.Join(at.Folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	url := at.URL + "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases/" + base
	if at.Now == nil {
		at.Now = time.Now
	}
	return &Lease{name: name, now: at.Now, api: &api{client: client, url: url, tokenFile: filepath.Join(at.Folder, "token")}}, nil
}

func connect(file string) (*http.Client, error) {
	pem, err := os.ReadFile(file)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the file %s holds no certificate of the API server, which periodic tasks on this broker need (%v). Mount a service account token", file, err)
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}, nil
}

// api reads and writes one Lease.
type api struct {
	client         *http.Client
	url, tokenFile string
}

// refusal is an answer that is not 2xx.
type refusal struct {
	code    int
	message string
}

func (r *refusal) Error() string {
	switch r.code {
	case http.StatusForbidden, http.StatusUnauthorized:
		return fmt.Sprintf("%s (%d). Allow the pod's service account to get and update it", r.message, r.code)
	case http.StatusNotFound:
		return fmt.Sprintf("%s (%d). The operator makes it; see whether it runs, and what the Environment's condition Applied says", r.message, r.code)
	}
	return fmt.Sprintf("%s (%d)", r.message, r.code)
}

func hasCode(err error, code int) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == code
}

// isConflict says that somebody else wrote first.
func isConflict(err error) bool { return hasCode(err, http.StatusConflict) }

// get reads the Lease, which the operator makes: a right to create cannot be bound to a name.
func (a *api) get(ctx context.Context) (object, error) {
	return a.call(ctx, http.MethodGet, nil)
}

// write puts the Lease back if it is still the one that was read.
func (a *api) write(ctx context.Context, o object) error {
	_, err := a.call(ctx, http.MethodPut, o)
	return err
}

func (a *api) call(ctx context.Context, method string, in object) (object, error) {
	token, err := os.ReadFile(a.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("the pod has no token (%w). Mount a service account token", err)
	}
	var body io.Reader
	if in != nil {
		sent, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(sent)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.url, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return decode(response)
}

func decode(response *http.Response) (object, error) {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("the API server's answer is longer than %d bytes", maxAnswer)
	}
	var out object
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&out)
	if response.StatusCode < 200 || response.StatusCode > 299 {
		message, _ := out["message"].(string)
		return nil, &refusal{code: response.StatusCode, message: cmp.Or(message, "the API server refused")}
	}
	if err != nil || out == nil {
		return nil, fmt.Errorf("the API server's answer is not a Lease: %v", err)
	}
	return out, nil
}
