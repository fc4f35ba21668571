// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package election

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Role allows nothing but to get and update the one Lease.
func Role(s settings.Settings) (object.Object, error) {
	name := naming.Election(s.Name)
	return object.New(naming.Child{Kind: naming.Role, Name: name}, rbacv1ac.Role(name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithRules(rbacv1ac.PolicyRule().WithAPIGroups(coordinationv1.GroupName).WithResources("leases").WithResourceNames(name).WithVerbs("get", "update")))
}

// RoleBinding gives the Role to the service account of the pods.
func RoleBinding(s settings.Settings) (object.Object, error) {
	name := naming.Election(s.Name)
	return object.New(naming.Child{Kind: naming.RoleBinding, Name: name}, rbacv1ac.RoleBinding(name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("Role").WithName(name)).
		WithSubjects(rbacv1ac.Subject().WithKind(rbacv1.ServiceAccountKind).WithNamespace(s.Namespace).WithName(pod.ServiceAccount(s))))
}
