// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

const usage = `usage: images operator|sample|pause -o FILE.tar [options]

  operator --version VERSION [--name NAME] [--release]   manager, workerd and bundle, as far as they exist
  sample   --tag TAG[,TAG...]                            the sample web application: v1, v2 or any tag; broken is unhealthy
  pause                                                  what holds a pod's namespaces
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	out := flags.String("o", "", "archive to write")
	version := flags.String("version", "dev", "version of the operator, and tag of its image")
	repository := flags.String("name", "beanpod.dev/beanpod", "operator image without a tag")
	release := flags.Bool("release", false, "drop local paths from binaries, so that any machine makes the same image")
	tags := flags.String("tag", "v1", "tags of the sample image")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return errors.New(usage)
	}

	b, err := newBuilder(*release)
	if err != nil {
		return err
	}
	defer b.close()

	var specs []spec
	switch args[0] {
	case "operator":
		specs, err = operatorSpecs(b, *repository, *version)
	case "sample":
		specs, err = sampleSpecs(b, strings.Split(*tags, ","))
	case "pause":
		specs, err = pauseSpecs(b)
	default:
		return errors.New(usage)
	}
	if err != nil {
		return err
	}
	digests, err := writeArchive(*out, specs)
	if err != nil {
		return err
	}
	for i, s := range specs {
		fmt.Printf("%s@%s\n", s.reference, digests[i])
	}
	return nil
}
