// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package main makes the container images of this project without a container engine.
//
// It does I/O: it compiles programs and writes image archives. The Makefile, hack/demo and hack/cluster call it.
//
//	go run ./hack/images operator --version dev -o operator.tar
//	go run ./hack/images sample --tag v1,v2,broken -o sample.tar
//	go run ./hack/images pause -o pause.tar
//	go run ./hack/images cloudnative-pg -o cloudnative-pg.tar
//	go run ./hack/images platform python nodejs -o platforms.tar
//	go run ./hack/images platforms | kubectl apply -f -
package main
