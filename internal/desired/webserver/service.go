// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package webserver builds what only the WebServer tier has: the Service and the route from outside. Pure; called by
// internal/desired.
package webserver

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// mainPort is the port of the Service on which the first process answers.
const mainPort = 80

// Service selects one slot, or both while their sizes split the requests. When a rollout last changed that is recorded in the same
// request. The first process answers on port 80, and every process on its own port too.
func Service(s settings.Settings, t plan.Traffic) (object.Object, error) {
	selector := naming.SlotSelector(s.UID, t.Slot)
	if t.Other != "" && !t.Exact {
		selector = naming.EnvironmentSelector(s.UID)
	}
	return service(s, s.Name, selector, t.ServiceSince)
}

// Candidate selects the new set of instances alone, so that a route can send it a share of the requests.
func Candidate(s settings.Settings, slot string) (object.Object, error) {
	return service(s, naming.Candidate(s.Name), naming.SlotSelector(s.UID, slot), time.Time{})
}

func service(s settings.Settings, name string, selector map[string]string, since time.Time) (object.Object, error) {
	spec := corev1ac.ServiceSpec().WithType(corev1.ServiceTypeClusterIP).WithSelector(selector)
	for i, p := range s.Processes {
		if p.Port == 0 {
			continue
		}
		if i == 0 {
			spec.WithPorts(servicePort(mainPortName(s), mainPort, p.Port))
		}
		spec.WithPorts(servicePort(p.Name, p.Port, p.Port))
		for _, e := range p.ExtraPorts {
			spec.WithPorts(servicePort(e.Name, e.Port, e.Port))
		}
	}
	config := corev1ac.Service(name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithSpec(spec)
	if !since.IsZero() {
		config.WithAnnotations(moved(since))
	}
	return object.New(naming.Child{Kind: naming.Service, Name: name}, config)
}

// moved records when requests were moved.
func moved(since time.Time) map[string]string {
	return map[string]string{v1alpha1.AnnotationTrafficSince: since.UTC().Format(time.RFC3339)}
}

// mainPortName is http, unless a process has that name: port names are unique. The other name is too long for a process.
func mainPortName(s settings.Settings) string {
	for _, p := range s.Processes {
		if p.Name == "http" || slices.ContainsFunc(p.ExtraPorts, func(e settings.Port) bool { return e.Name == "http" }) {
			return "http-main-process"
		}
	}
	return "http"
}

func servicePort(name string, port, target int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().WithName(name).WithPort(port).WithTargetPort(intstr.FromInt32(target)).WithProtocol(corev1.ProtocolTCP)
}

// target is where requests for a path go.
type target struct {
	path  string
	exact bool
	port  int32
}

// targets are the routing rules, and the first process for every path that no rule names.
func targets(s settings.Settings) []target {
	var out []target
	rest := true
	for _, r := range s.Routing.Rules {
		t := target{path: r.Path, exact: r.PathType == "Exact", port: portOf(s, r.Process)}
		rest = rest && (t.path != "/" || t.exact)
		out = append(out, t)
	}
	if rest {
		out = append(out, target{path: "/", port: mainPort})
	}
	return out
}

// portOf is the Service port on which a process answers; the main one for a name that is not there.
func portOf(s settings.Settings, process string) int32 {
	for i, p := range s.Processes {
		if p.Name == process && i > 0 && p.Port != 0 {
			return p.Port
		}
		for _, e := range p.ExtraPorts {
			if e.Name == process {
				return e.Port
			}
		}
	}
	return mainPort
}
