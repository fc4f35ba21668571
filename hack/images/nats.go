// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// natsSpecs makes an image of the pinned server that hack/tools/build compiles, so that none has to be pulled.
func natsSpecs(b *builder) ([]spec, error) {
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	program, err := b.tool("nats-server", "/nats-server")
	if err != nil {
		return nil, err
	}
	return []spec{{
		reference: "localhost/nats:1", title: "nats", version: "1",
		layers:     [][]file{base, {program}},
		entrypoint: []string{"/nats-server"},
	}}, nil
}
