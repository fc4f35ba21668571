// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// schemas are those of our own kinds, from their CRDs, read once.
var schemas = sync.OnceValues(func() (map[schema.GroupVersionKind]*structuralschema.Structural, error) {
	files, err := filepath.Glob(testkit.RepositoryPath("config", "crd", "bases", "*.yaml"))
	if err != nil {
		return nil, err
	}
	out := map[schema.GroupVersionKind]*structuralschema.Structural{}
	for _, file := range files {
		if err := readSchemas(file, out); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return out, nil
})

func readSchemas(file string, into map[schema.GroupVersionKind]*structuralschema.Structural) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		var props apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &props, nil); err != nil {
			return err
		}
		structural, err := structuralschema.NewStructural(&props)
		if err != nil {
			return err
		}
		into[schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}] = structural
	}
	return nil
}

// givesStatus says whether the CRD of a kind has a default for the status as a whole.
func givesStatus(gvk schema.GroupVersionKind) bool {
	known, err := schemas()
	if s := known[gvk]; err == nil && s != nil {
		return s.Properties["status"].Default.Object != nil
	}
	return false
}

// defaultBySchema fills in what the CRD of a kind says, and leaves other kinds alone.
func defaultBySchema(gvk schema.GroupVersionKind, content map[string]any) error {
	known, err := schemas()
	if err != nil {
		return err
	}
	if s := known[gvk]; s != nil {
		defaulting.Default(content, s)
	}
	return nil
}
