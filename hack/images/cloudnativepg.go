// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"
	"runtime"
)

// cloudNativePGUser is the number of the user of PostgreSQL in pods of CloudNativePG, unless a Cluster says otherwise.
const cloudNativePGUser = 26

// cloudNativePGSpecs makes two images for clusters with the pinned CloudNativePG: its operator's, laid out as its Dockerfile does, because
// the operator copies its own program into the pods of databases and asks for one named by the architecture; and PostgreSQL's for its user.
func cloudNativePGSpecs(b *builder, k *kitchen) ([]spec, error) {
	program, err := b.tool("cloudnative-pg", "/cloudnative-pg")
	if err != nil {
		return nil, err
	}
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	program.path = "/operator/manager_" + runtime.GOARCH
	link := file{path: "/manager", link: path.Join("operator", path.Base(program.path))}
	operator := spec{
		reference: "localhost/cloudnative-pg:1", title: "cloudnative-pg", version: "1",
		layers: [][]file{base, {program, link}}, entrypoint: []string{"/manager"},
	}
	server, err := postgresSpec(k, "localhost/postgresql", cloudNativePGUser)
	return []spec{operator, server}, err
}
