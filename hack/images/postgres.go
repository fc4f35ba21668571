// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// sampleData is the sample application with PostgreSQL's client beside it, for stories of applications that use a database.
const sampleData = "localhost/sample-data:1"

const (
	postgresMajor = "15" // of Debian 12
	// postgresUser is the user of the official images, whom databases of provider BuiltIn run as.
	postgresUser = "999:999"
)

// postgresSpecs makes an image of Debian's PostgreSQL, which databases of provider BuiltIn run where the official image cannot be pulled. It
// has no entry point: the provider brings its own scripts. Above the same layers it makes sampleData.
func postgresSpecs(b *builder, k *kitchen) ([]spec, error) {
	server := layerRecipe{packages: []string{"postgresql-" + postgresMajor}}
	layers, err := k.layers([]layerRecipe{base, server})
	if err != nil {
		return nil, err
	}
	files := accounts()
	for path, line := range map[string]string{"etc/passwd": "postgres:x:999:999:PostgreSQL:/tmp:/bin/sh\n", "etc/group": "postgres:x:999:\n"} {
		at := slices.IndexFunc(files, func(f file) bool { return f.path == path })
		files[at].data = append(slices.Clone(files[at].data), line...)
	}
	program, err := b.program("./hack/images/sample-web", "/sample-web", "")
	if err != nil {
		return nil, err
	}
	database := spec{
		reference: "localhost/postgres:" + postgresMajor, title: "postgres", version: postgresMajor, below: layers,
		layers:  [][]file{slices.DeleteFunc(files, func(f file) bool { return f.dir })},
		command: []string{"/bin/sh"}, searchPath: "/usr/lib/postgresql/" + postgresMajor + "/bin:", user: postgresUser,
	}
	sample := database
	sample.reference, sample.title, sample.version = sampleData, "sample-data", "1"
	sample.layers = append(slices.Clone(database.layers), []file{program})
	return []spec{database, sample}, nil
}
