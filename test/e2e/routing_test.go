// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestAGatewayRoutesToAnEnvironment(t *testing.T) {
	t.Parallel()
	e := start(t, environment("gateway", instances(2), func(e *v1alpha1.Environment) {
		e.Spec.Routing = &v1alpha1.Routing{
			Type: v1alpha1.RoutingGateway, GatewayRef: &v1alpha1.GatewayReference{Name: "traefik", Namespace: "kube-system"},
		}
	}))
	if gone(t, &gatewayv1.HTTPRoute{}, e.namespace, e.name) {
		t.Error("there is no HTTPRoute")
	}
	if !gone(t, &networkingv1.Ingress{}, e.namespace, e.name) {
		t.Error("there is an Ingress beside the HTTPRoute")
	}
	load := hammer(t, e.host(t))
	e.deploy(t, "v2")
	e.waitVersion(t, "v2")
	settled(t, e, "v2")
	load.stopUnfailed(t, "v1", "v2")

	// From the Gateway to an Ingress and nothing in between stays behind.
	e.patch(t, spec(map[string]any{"routing": map[string]any{"type": "Ingress", "gatewayRef": nil}}))
	e.waitReady(t, time.Minute)
	eventually(t, 30*time.Second, "the Ingress in place of the HTTPRoute", func() error {
		if !gone(t, &gatewayv1.HTTPRoute{}, e.namespace, e.name) || gone(t, &networkingv1.Ingress{}, e.namespace, e.name) {
			return fmt.Errorf("it is not there, or the HTTPRoute still is")
		}
		return nil
	})
	untilServed(t, e.host(t))
}

func TestRulesSendPathsToProcesses(t *testing.T) {
	t.Parallel()
	v := version(namespace, "two-processes", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.Reference = "localhost/sample-web:v1"
		v.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": "/sample-web", "api": "/sample-web"}
	})
	create(t, v)
	gateway := &v1alpha1.GatewayReference{Name: "traefik", Namespace: "kube-system"}
	tests := []struct {
		name     string
		routing  v1alpha1.Routing
		web, api []string // paths, by who answers
	}{
		// By itself, Traefik takes an Ingress' prefix /api for /apix too, and / for better than a short exact path.
		{"ingress", v1alpha1.Routing{}, []string{"/", "/healthz/x", "/x/api"}, []string{"/api", "/api/x", "/healthz"}},
		{"gateway", v1alpha1.Routing{GatewayRef: gateway}, []string{"/", "/apix", "/healthz/x"}, []string{"/api", "/api/x", "/healthz"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// Both listen on PORT, in one network namespace: that both run shows that each got its own.
			e := start(t, environment("rules-"+test.name, instances(1), func(e *v1alpha1.Environment) {
				e.Spec.VersionRef.Name = v.Name
				api := process("api", 9090)
				api.HealthCheck = nil
				e.Spec.Processes = append(e.Spec.Processes, api)
				e.Spec.Routing = &test.routing
				e.Spec.Routing.Rules = []v1alpha1.RoutingRule{
					{Path: "/api", Process: "api"}, {Path: "/fail", Process: "api"}, {Path: "/healthz", PathType: "Exact", Process: "api"},
				}
			}))
			host, c := e.host(t), newClient(false)
			for _, path := range append(test.web, test.api...) {
				untilServed(t, host)
				if _, err := fetch(c, host, path); err != nil {
					t.Errorf("GET %s: %v", path, err)
				}
			}
			if _, err := fetch(c, host, "/fail?on=true"); err != nil { // breaks the process that answers: api
				t.Fatalf("GET /fail: %v", err)
			}
			for _, path := range test.api {
				if _, err := fetch(c, host, path); err == nil || !strings.Contains(err.Error(), "status 500") {
					t.Errorf("GET %s is %v, want status 500: process api is told to fail", path, err)
				}
			}
			for _, path := range test.web {
				if _, err := fetch(c, host, path); err != nil {
					t.Errorf("GET %s: %v, want an answer of process web", path, err)
				}
			}
		})
	}
}

func TestPropertiesReachTheApplication(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "greeting"}, StringData: map[string]string{"word": "from a Secret"},
	}
	create(t, secret)
	plain := "a $(PORT), $HOME and \"quotes\""
	e := start(t, environment("properties", instances(1), func(e *v1alpha1.Environment) {
		e.Spec.Processes[0].Port = new(int32(7070))
		e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{
			{Name: "GREETING", Value: &plain},
			{Name: "GREETING_SECRET", ValueFrom: &v1alpha1.PropertySource{SecretKeyRef: &v1alpha1.KeyReference{Name: "greeting", Key: "word"}}},
		}
	}))
	host := e.host(t)
	untilServed(t, host)
	a, err := ask(newClient(false), host, "/")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"GREETING": plain, "GREETING_SECRET": "from a Secret"} {
		if got := a.Properties[name]; got != want {
			t.Errorf("property %s = %q, want %q", name, got, want)
		}
	}

	// A Secret that does not exist holds the change back, by name; what runs keeps running.
	e.patch(t, spec(map[string]any{"environmentProperties": []any{map[string]any{
		"name": "GREETING", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "later", "key": "word"}},
	}}}))
	e.waitCondition(t, 30*time.Second, v1alpha1.ConditionInputsResolved, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	if _, err := ask(newClient(false), host, "/"); err != nil {
		t.Errorf("while a Secret is missing: %v", err)
	}
	later := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "later"}, StringData: map[string]string{"word": "at last"},
	}
	create(t, later)
	e.waitReady(t, time.Minute)
	eventually(t, 20*time.Second, "the new property", func() error {
		a, err := ask(newClient(false), host, "/")
		if err == nil && a.Properties["GREETING"] != "at last" {
			err = fmt.Errorf("GREETING = %q", a.Properties["GREETING"])
		}
		return err
	})
}
