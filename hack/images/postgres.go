// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
)

// sampleData is the sample application with PostgreSQL's client beside it, for stories of applications that use a database.
const sampleData = "localhost/sample-data:1"

const (
	postgresMajor = "15" // of Debian 12
	// postgresUser is the number of the user of the official images, whom databases of provider BuiltIn run as.
	postgresUser = 999
)

// postgresSpecs makes the image that databases of provider BuiltIn run where the official image cannot be pulled, and sampleData above the
// same layers.
func postgresSpecs(b *builder, k *kitchen) ([]spec, error) {
	database, err := postgresSpec(k, "localhost/postgres", postgresUser)
	if err != nil {
		return nil, err
	}
	program, err := b.program("./hack/images/sample-web", "/sample-web", "")
	if err != nil {
		return nil, err
	}
	sample := database
	sample.reference, sample.title, sample.version = sampleData, "sample-data", "1"
	sample.layers = append(slices.Clone(database.layers), []file{program})
	return []spec{database, sample}, nil
}

// postgresSpec makes an image of Debian's PostgreSQL with an account for the user. It has no entry point: providers bring their own programs.
func postgresSpec(k *kitchen, repository string, user int) (spec, error) {
	server := layerRecipe{packages: []string{"postgresql-" + postgresMajor}}
	layers, err := k.layers([]layerRecipe{base, server})
	if err != nil {
		return spec{}, err
	}
	files := accounts()
	for path, line := range map[string]string{
		"etc/passwd": fmt.Sprintf("postgres:x:%[1]d:%[1]d:PostgreSQL:/tmp:/bin/sh\n", user), "etc/group": fmt.Sprintf("postgres:x:%d:\n", user),
	} {
		at := slices.IndexFunc(files, func(f file) bool { return f.path == path })
		files[at].data = append(slices.Clone(files[at].data), line...)
	}
	return spec{
		reference: repository + ":" + postgresMajor, title: "postgres", version: postgresMajor, below: layers,
		layers:  [][]file{slices.DeleteFunc(files, func(f file) bool { return f.dir })},
		command: []string{"/bin/sh"}, searchPath: "/usr/lib/postgresql/" + postgresMajor + "/bin:", user: fmt.Sprintf("%[1]d:%[1]d", user),
	}, nil
}
