// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// kedaSpecs makes the images of KEDA's operator and of its metrics adapter, of the programs that hack/tools/build compiles. KEDA's own
// manifests say by which path each is started.
func kedaSpecs(b *builder) ([]spec, error) {
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	var specs []spec
	for _, image := range []struct{ tool, reference, path string }{
		{"keda/operator", "localhost/keda:1", "/keda"},
		{"keda/adapter", "localhost/keda-metrics-apiserver:1", "/keda-adapter"},
	} {
		program, err := b.tool(image.tool, image.path)
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec{
			reference: image.reference, title: image.tool, version: "1",
			layers:     [][]file{base, {program}},
			entrypoint: []string{image.path},
		})
	}
	return specs, nil
}
