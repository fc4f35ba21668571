// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command pause waits to be told to end. A pod's sandbox runs it to keep the pod's namespaces.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
