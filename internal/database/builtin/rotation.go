// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
)

// Add implements database.Rotator.
func (Provider) Add(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	return reached(w, have).Add(w, r)
}

// Drop implements database.Rotator.
func (Provider) Drop(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	return reached(w, have).Drop(w, r)
}

func reached(w database.Wanted, have database.Objects) scripts.Server {
	return scripts.Server{Image: image(w, have), Host: host(w), Port: Port, Admin: "postgres", AdminSecret: AdminSecret(w)}
}
