// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// nonroot is the user that distroless images made customary; Pod Security's "restricted" level accepts it.
const nonroot = "65532:65532"

// operatorPrograms are the programs of the operator's image. One image serves all three, so that a pod of any tier
// needs nothing that the node running the operator does not have.
var operatorPrograms = []string{"manager", "workerd", "bundle"}

// authorities is where Go looks for certificates first on Linux.
const authorities = "/etc/ssl/certs/ca-certificates.crt"

func operatorSpecs(b *builder, repository, version string) ([]spec, error) {
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	s := spec{
		reference:  repository + ":" + version,
		title:      "beanpod",
		version:    version,
		layers:     [][]file{base},
		entrypoint: []string{"/manager"},
	}
	for _, name := range operatorPrograms {
		if _, err := os.Stat(filepath.Join(b.root, "cmd", name)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		program, err := b.program("./cmd/"+name, "/"+name, "-X main.version="+version)
		if err != nil {
			return nil, err
		}
		s.layers = append(s.layers, []file{program}) // a layer each: an unchanged program is not shipped again
	}
	if len(s.layers) == 1 {
		return nil, errors.New("no program found under cmd/")
	}
	return []spec{s}, nil
}

// misbehaviours of the sample image, by tag.
var misbehaviours = map[string][]string{
	"broken": {"UNHEALTHY=1"},
	// It never listens, so that nobody sends it a request.
	"crashing": {"CRASH_AFTER_MS=500", "START_DELAY_MS=60000"},
}

// sampleSpecs makes one image per tag. They share the program; only the environment differs.
func sampleSpecs(b *builder, tags []string) ([]spec, error) {
	program, err := b.program("./hack/images/sample-web", "/sample-web", "")
	if err != nil {
		return nil, err
	}
	specs := make([]spec, 0, len(tags))
	for _, tag := range tags {
		s := spec{
			reference:  "localhost/sample-web:" + tag,
			title:      "sample-web",
			version:    tag,
			layers:     [][]file{{program}},
			entrypoint: []string{"/sample-web"},
			env:        []string{"APP_VERSION=" + tag},
		}
		s.env = append(s.env, misbehaviours[tag]...)
		specs = append(specs, s)
	}
	return specs, nil
}

func pauseSpecs(b *builder) ([]spec, error) {
	program, err := b.program("./hack/images/pause", "/pause", "")
	if err != nil {
		return nil, err
	}
	return []spec{{
		reference:  "localhost/pause:1",
		title:      "pause",
		version:    "1",
		layers:     [][]file{{program}},
		entrypoint: []string{"/pause"},
	}}, nil
}

// baseLayer is what a static program may still ask of its file system.
func baseLayer() ([]file, error) {
	files := []file{
		{path: "/etc/passwd", mode: 0o644, data: []byte("nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n")},
		{path: "/etc/group", mode: 0o644, data: []byte("nonroot:x:65532:\n")},
		{path: "/tmp", mode: 0o1777, dir: true},
	}
	data, err := os.ReadFile(authorities)
	switch {
	case err == nil:
		files = append(files, file{path: authorities, mode: 0o644, data: data})
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	return files, nil
}
