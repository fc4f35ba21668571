// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// fieldManager is the name under which the API server records what the command line wrote.
const fieldManager = "beanpod-cli"

// Options are the world of a run.
type Options struct {
	Streams genericiooptions.IOStreams
	// Terminal says whether lines of Streams.Out can be drawn again.
	Terminal bool
	// Name is how the program was called: beanpod, or kubectl beanpod.
	Name string
	// Version of the program.
	Version string
	// Dir is the working directory.
	Dir string
	Now func() time.Time
	// Settle is how long a complaint of the operator must last to be believed: it may not have seen yet what was written a moment ago.
	Settle time.Duration
	// Look is how often to look again for what is not watched.
	Look time.Duration
}

// env is what the commands share.
type env struct {
	Options
	flags *genericclioptions.ConfigFlags
	// operatorNamespace is where the operator and its store are.
	operatorNamespace string
}

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, o Options, args []string) int {
	root := New(o)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if text := explain(err); text != "" {
		fmt.Fprintln(o.Streams.ErrOut, "Error: "+text)
	}
	return code(err)
}

// New builds the commands.
func New(o Options) *cobra.Command {
	e := &env{Options: o, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:   "beanpod",
		Short: "Deploy applications and see how they are",
		Long:  "Deploy applications to environments of Beanpod, and see how they are.\n\n" + exitCodes,
		Annotations: map[string]string{
			cobra.CommandDisplayNameAnnotation: o.Name,
		},
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetIn(o.Streams.In)
	root.SetOut(o.Streams.Out)
	root.SetErr(o.Streams.ErrOut)
	e.flags.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&e.operatorNamespace, "operator-namespace", "beanpod-system", "Namespace of the operator and its store")
	root.AddCommand(e.deployCommand(), e.statusCommand(), e.versionsCommand(), e.abortCommand(), e.versionCommand())
	return root
}

// scheme knows the kinds that commands read and write.
func scheme() (*runtime.Scheme, error) {
	out := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(out); err != nil {
		return nil, err
	}
	return out, v1alpha1.AddToScheme(out)
}

// cluster is a namespace of an API server.
type cluster struct {
	client.WithWatch
	config    *rest.Config
	namespace string
}

func (e *env) connect() (*cluster, error) {
	config, err := e.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.UserAgent = "beanpod-cli/" + e.Version
	namespace, _, err := e.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the namespace of the kubeconfig: %w", err)
	}
	kinds, err := scheme()
	if err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: kinds})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return &cluster{WithWatch: c, config: config, namespace: namespace}, nil
}
