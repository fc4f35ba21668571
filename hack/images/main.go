// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const usage = `usage: images operator|sample|pause|nats|keda|postgres|cloudnative-pg|platform -o FILE.tar [options]

  operator --version VERSION [--name NAME] [--release]   manager, workerd and bundle, as far as they exist
  sample   --tag TAG[,TAG...]                            the sample web application: v1, v2 or any tag; broken is unhealthy, crashing crashes
  pause                                                  what holds a pod's namespaces
  nats                                                   the NATS server of hack/tools, for queues of the demo and the tests
  keda                                                   KEDA's operator and metrics adapter of hack/tools, for a test
  postgres                                               Debian's PostgreSQL, for databases of the demo and the tests, and the sample with its client
  cloudnative-pg                                         CloudNativePG's operator of hack/tools, and Debian's PostgreSQL for its user
  platform [NAME...]                                     languages to build and run source bundles with, of Debian's packages; all without a NAME

       images platforms   prints the catalogue with the images of "platform" instead of public ones, for kubectl apply
`

var errUsage = errors.New("wrong arguments")

// options are what the command line says.
type options struct {
	kind       string
	out        string
	version    string
	repository string
	release    bool
	tags       []string
	platforms  []string
}

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "images:", err)
	os.Exit(1)
}

func run(args []string) error {
	if slices.Equal(args, []string{"platforms"}) {
		k, err := newKitchen()
		if err != nil {
			return err
		}
		local, err := localCatalogue(k)
		if err != nil {
			return err
		}
		return printCatalogue(os.Stdout, local)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := newBuilder(o.release)
	if err != nil {
		return err
	}
	defer b.close()
	specs, err := specsFor(b, o)
	if err != nil {
		return err
	}
	digests, err := writeArchive(o.out, specs)
	if err != nil {
		return err
	}
	for i, s := range specs {
		fmt.Printf("%s@%s\n", s.reference, digests[i])
	}
	return nil
}

func parse(args []string) (options, error) {
	if len(args) == 0 {
		return options{}, errUsage
	}
	o := options{kind: args[0]}
	flags := flag.NewFlagSet(o.kind, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // usage says it better
	flags.StringVar(&o.out, "o", "", "archive to write")
	flags.StringVar(&o.version, "version", "dev", "version of the operator, and tag of its image")
	flags.StringVar(&o.repository, "name", "beanpod.dev/beanpod", "operator image without a tag")
	flags.BoolVar(&o.release, "release", false, "drop local paths from binaries, so that any machine makes the same image")
	tags := flags.String("tag", "v1", "tags of the sample image")
	args = args[1:]
	for o.kind == "platform" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.platforms, args = append(o.platforms, args[0]), args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return options{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.out == "" || flags.NArg() > 0 {
		return options{}, errUsage
	}
	o.tags = strings.Split(*tags, ",")
	return o, nil
}

func specsFor(b *builder, o options) ([]spec, error) {
	switch o.kind {
	case "operator":
		return operatorSpecs(b, o.repository, o.version)
	case "sample":
		return sampleSpecs(b, o.tags)
	case "pause":
		return pauseSpecs(b)
	case "nats":
		return natsSpecs(b)
	case "keda":
		return kedaSpecs(b)
	case "postgres":
		k, err := newKitchen()
		if err != nil {
			return nil, err
		}
		return postgresSpecs(b, k)
	case "cloudnative-pg":
		k, err := newKitchen()
		if err != nil {
			return nil, err
		}
		return cloudNativePGSpecs(b, k)
	case "platform":
		k, err := newKitchen()
		if err != nil {
			return nil, err
		}
		return platformSpecs(k, o.platforms)
	}
	return nil, errUsage
}
