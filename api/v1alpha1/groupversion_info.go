// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "beanpod.dev", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated apply configurations expect.
var SchemeGroupVersion = GroupVersion

// AddToScheme registers every kind of this package.
var AddToScheme = (&runtime.SchemeBuilder{addKnownTypes}).AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Application{}, &ApplicationList{},
		&ApplicationVersion{}, &ApplicationVersionList{},
		&Environment{}, &EnvironmentList{},
		&ConfigurationTemplate{}, &ConfigurationTemplateList{},
		&DomainMap{}, &DomainMapList{},
		&DatabaseClaim{}, &DatabaseClaimList{},
		&DatabaseClass{}, &DatabaseClassList{},
		&Platform{}, &PlatformList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
