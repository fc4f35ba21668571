// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package internal holds one test: that packages import each other only as docs/architecture.md section 4 allows. It reads
// import clauses with the standard library, so it needs no tool, and it is the law; the linter only repeats part of it.
package internal

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/beanpod-dev/beanpod"

// row says what the packages of one layer may import. Patterns are paths; "/..." at the end means this and all below. Where
// packages may import something of ours, "." stands for everything below the importing package itself: parents import
// children, never the reverse.
type row struct {
	packages string
	purity   purity
	// ours that may be imported, besides api/v1alpha1, which everything but the sidecars may import.
	ours []string
	// why completes "X imports Y: ".
	why string
}

type purity string

const (
	// contract: types and constants only.
	contract purity = "contract"
	// pure: the same input always gives the same output.
	pure purity = "pure"
	// sidecar: runs inside the users' pods and imports nothing from Kubernetes.
	sidecar purity = "sidecar"
	// io talks to the world.
	io purity = "I/O"
	// tool: programs of the repository itself, and test support. Neither the word nor the outside is checked.
	tool purity = "tool"
)

const (
	whyContract   = "the contract imports nothing of ours"
	whyPure       = "arrows inside the pure layer follow the data flow: naming, settings <- snapshot <- rollout/plan <- policies <- rollout, desired, health; desired/pod <- quota"
	whyPolicy     = "policies share only rollout/plan and never import each other"
	whyBuilder    = "builders share only desired/object and desired/pod, and import builders only below themselves"
	whyIO         = "I/O packages import the contract and pure packages, never each other or a controller"
	whyController = "controllers import the layers below and controller/shell, never another controller"
	whySidecar    = "what runs inside pods shares only workerd/contract with the operator"
	whyWiring     = "a command imports only what it starts"
	whyTestkit    = "testkit is for _test.go files only"
)

var (
	inputs   = []string{"internal/naming", "internal/settings", "internal/snapshot"}
	purePkgs = []string{
		"internal/naming", "internal/settings", "internal/snapshot", "internal/rollout/...", "internal/desired/...", "internal/health",
		"internal/condition", "internal/outcome", "internal/lifecycle", "internal/updates", "internal/quota", "internal/scaling", "internal/schedule", "internal/beanstalk", "internal/workerd/contract",
		"internal/bundle/report", "internal/database/...",
		"config/platforms", "internal/samples",
	}
	ioPkgs = []string{"internal/inputs", "internal/observe", "internal/apply", "internal/registry", "internal/evidence", "internal/store", "internal/telemetry", "internal/platforms", "internal/queues", "internal/provision"}
)

// rows are docs/architecture.md section 4 as a table. The first row that matches a package is the one that counts.
var rows = []row{
	{packages: "api/v1alpha1/applyconfiguration/...", purity: contract, ours: []string{"api/..."}, why: whyContract},
	{packages: "api/v1alpha1", purity: contract, why: whyContract},

	{packages: "internal/outcome", purity: pure, why: whyPure},
	{packages: "internal/condition", purity: pure, ours: []string{"internal/outcome"}, why: whyPure},
	{packages: "internal/naming", purity: pure, why: whyPure},
	{packages: "internal/updates", purity: pure, why: whyPure},
	{packages: "internal/scaling", purity: pure, why: whyPure},
	{packages: "internal/schedule", purity: pure, ours: []string{"internal/workerd/contract"}, why: whyPure},
	{packages: "internal/settings", purity: pure, ours: []string{"internal/naming", "internal/updates", "internal/schedule", "internal/workerd/contract"}, why: whyPure},
	{packages: "internal/snapshot", purity: pure, ours: []string{"internal/naming", "internal/settings"}, why: whyPure},
	{packages: "internal/lifecycle", purity: pure, ours: inputs, why: whyPure},
	{packages: "config/platforms", purity: pure, why: whyPure},
	{packages: "hack/samples", purity: pure, why: whyPure},
	{packages: "internal/samples", purity: pure, ours: []string{"hack/samples"}, why: whyPure},
	{packages: "internal/beanstalk/...", purity: pure, ours: []string{".", "internal/naming", "internal/settings", "internal/workerd/contract"}, why: whyPure},
	{packages: "internal/health", purity: pure, ours: inputs, why: whyPure},
	{packages: "internal/quota", purity: pure, ours: append([]string{"internal/desired/pod"}, inputs...), why: whyPure},
	{packages: "internal/rollout/plan", purity: pure, ours: inputs, why: whyPure},
	{packages: "internal/rollout/toy", purity: pure, ours: []string{"internal/rollout/plan"}, why: whyPure},
	{packages: "internal/rollout/simulate", purity: pure, ours: append([]string{"internal/rollout/..."}, inputs...), why: whyPure},
	{packages: "internal/rollout", purity: pure, ours: append([]string{"."}, inputs...), why: whyPure},
	{packages: "internal/rollout/...", purity: pure, ours: append([]string{"internal/rollout/plan"}, inputs...), why: whyPolicy},
	{packages: "internal/desired/...", purity: pure, ours: []string{
		".", "internal/desired/object", "internal/desired/pod", "internal/rollout/plan", "internal/naming", "internal/settings", "internal/snapshot", "internal/workerd/contract",
	}, why: whyBuilder},

	{packages: "internal/database/deletion", purity: pure, why: whyPure},
	{packages: "internal/database", purity: pure, ours: []string{"internal/naming"}, why: whyPure},
	{packages: "internal/database/jobs", purity: pure, ours: []string{"internal/database", "internal/bundle/report"}, why: whyPure},
	{packages: "internal/database/scripts", purity: pure, ours: []string{"internal/database", "internal/database/jobs"}, why: whyPure},
	{packages: "internal/database/...", purity: pure, ours: []string{"internal/database", "internal/database/jobs", "internal/database/scripts", "internal/naming", "internal/desired/pod", "internal/bundle/report"}, why: "providers share only internal/database, its jobs and its scripts, and never import each other"},

	{packages: "internal/inputs", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/observe", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/apply", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/registry", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/evidence", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/store/server", purity: io, ours: append([]string{"internal/store"}, purePkgs...), why: whyIO},
	{packages: "internal/store/...", purity: io, ours: append([]string{"."}, purePkgs...), why: whyIO},
	{packages: "internal/telemetry", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/platforms", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/provision", purity: io, ours: purePkgs, why: whyIO},
	{packages: "internal/queues", purity: io, ours: append([]string{"internal/workerd/queue/...", "internal/workerd/open"}, purePkgs...), why: "queues asks brokers with the daemon's own adapters, and imports nothing else of the daemon"},

	{packages: "internal/controller/shell", purity: io, ours: slices.Concat(purePkgs, ioPkgs), why: whyController},
	{packages: "internal/controller", purity: io, ours: slices.Concat([]string{"."}, purePkgs, ioPkgs), why: whyController},
	{packages: "internal/controller/...", purity: io, ours: slices.Concat([]string{"internal/controller/shell"}, purePkgs, ioPkgs), why: whyController},

	{packages: "internal/workerd/contract", purity: sidecar, why: whySidecar},
	{packages: "internal/workerd/...", purity: sidecar, ours: []string{"internal/workerd/..."}, why: whySidecar},
	{packages: "internal/bundle/report", purity: pure, why: "what pods report is a leaf: the operator reads it too"},
	{packages: "internal/bundle/...", purity: sidecar, ours: []string{"internal/bundle/...", "internal/workerd/contract"}, why: "what runs inside pods shares only bundle/report and workerd/contract with the operator"},
	{packages: "internal/cli/verdict", purity: pure, ours: append([]string{"internal/condition"}, inputs...), why: whyPure},
	{packages: "internal/cli/...", purity: io, ours: slices.Concat([]string{"."}, purePkgs, ioPkgs), why: whyIO},
	{packages: "internal/testkit/...", purity: tool, ours: []string{"internal/..."}, why: whyTestkit},

	{packages: "cmd/manager", purity: tool, ours: slices.Concat([]string{".", "internal/controller/...", "internal/store/server"}, purePkgs, ioPkgs), why: whyWiring},
	{packages: "cmd/workerd", purity: sidecar, ours: []string{"internal/workerd/..."}, why: whyWiring},
	{packages: "cmd/bundle", purity: sidecar, ours: []string{"internal/bundle/..."}, why: whyWiring},
	{packages: "cmd/beanpod", purity: tool, ours: []string{"internal/cli/..."}, why: whyWiring},

	{packages: "hack/...", purity: tool, ours: append([]string{"."}, purePkgs...), why: "tools of the repository import pure packages only"},
	{packages: "test/...", purity: tool, ours: []string{"test/...", "internal/..."}, why: whyTestkit},
}

// What pure packages may not import, although it is in the standard library or allowed below: clocks, chance and the world.
var impure = []string{
	"context", "crypto/rand", "database/...", "io/ioutil", "log/...", "math/rand/...", "net/...", "os/...", "plugin", "syscall", "testing/...",
	"k8s.io/apimachinery/pkg/util/rand", "k8s.io/apimachinery/pkg/util/uuid", "k8s.io/apimachinery/pkg/util/wait", "k8s.io/apimachinery/pkg/watch",
}

// What is pure although a pattern above matches it: it only parses.
var pureAlthough = []string{"net/netip", "net/url"}

// What pure packages may import that is neither ours nor in the standard library.
var pureOutside = []string{
	"k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/applyconfigurations/...", "k8s.io/utils/ptr",
	"sigs.k8s.io/gateway-api/apis/...", "sigs.k8s.io/gateway-api/applyconfiguration/...", "sigs.k8s.io/yaml",
}

// What the contract may import besides the standard library: whoever imports the API gets all of it.
var contractOutside = []string{
	"k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/applyconfigurations/...",
	"sigs.k8s.io/structured-merge-diff/v6/typed", // the generated apply configurations
}

// Functions that pure packages may not use, by import path: they read a clock or write to the terminal.
var impureFunctions = map[string][]string{
	"time":                                 {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"k8s.io/apimachinery/pkg/apis/meta/v1": {"Now", "NowMicro"},
	"fmt":                                  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

var (
	kubernetes    = []string{"k8s.io/...", "sigs.k8s.io/..."}
	testLibraries = []string{
		"testing/...", "github.com/onsi/...", "helm.sh/...", "github.com/google/go-cmp/...",
		"sigs.k8s.io/controller-runtime/pkg/envtest/...", "sigs.k8s.io/controller-runtime/pkg/client/fake",
	}
	bannedNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "manager"}
)

func TestLayers(t *testing.T) {
	t.Parallel()
	sources, err := load(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 20 {
		t.Fatalf("found only %d files; the walk is broken", len(sources))
	}
	for _, violation := range check(sources) {
		t.Error(violation)
	}
}

// TestShippedBinaries repeats checkReach for other people's packages, which only the go command knows.
func TestShippedBinaries(t *testing.T) {
	t.Parallel()
	command := exec.Command("go", "list", "-deps", "./cmd/...")
	command.Dir = ".."
	list, err := command.Output()
	if err != nil {
		t.Fatalf("listing what the commands import: %v\n%s", err, stderr(err))
	}
	packages := strings.Fields(string(list))
	if len(packages) == 0 {
		t.Skip("there is no command yet")
	}
	for _, p := range packages {
		if matches(testLibraries, p) {
			t.Errorf("./cmd/... -> … -> %s: test libraries are not shipped; find the way with `go mod why %s`", p, p)
		}
	}
}

func stderr(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

// source is one Go file.
type source struct {
	// dir is the package's path below the module, file the name inside it.
	dir, file string
	test      bool
	generated bool
	name      string
	doc       string
	imports   []string
	// calls are uses of impureFunctions.
	calls []string
}

// load parses every Go file of the main module. Other modules, hidden folders and test data are left out.
func load(root fs.FS) ([]source, error) {
	var out []source
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			_, nested := fs.Stat(root, path.Join(name, "go.mod"))
			base := path.Base(name)
			if name != "." && (nested == nil || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		s, err := parse(name, text)
		out = append(out, s)
		return err
	})
	return out, err
}

func parse(name string, text []byte) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{
		dir: path.Dir(name), file: path.Base(name), test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(file),
		name: file.Name.Name, doc: file.Doc.Text(),
	}
	local := map[string]string{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return s, err
		}
		s.imports = append(s.imports, imported)
		switch {
		case spec.Name == nil:
			local[path.Base(imported)] = imported
		case spec.Name.Name == "." && impureFunctions[imported] != nil:
			s.calls = append(s.calls, ". "+strconv.Quote(imported))
		default:
			local[spec.Name.Name] = imported
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(impureFunctions[local[x.Name]], sel.Sel.Name) {
				s.calls = append(s.calls, x.Name+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return s, nil
}

// check returns every violation, in a stable order. Each names the offending edge and the rule.
func check(sources []source) []string {
	var out []string
	for _, s := range sources {
		out = append(out, checkFile(s)...)
	}
	for _, dir := range packages(sources) {
		out = append(out, checkPackage(dir, sources)...)
	}
	out = append(out, checkReach(sources)...)
	slices.Sort(out)
	return slices.Compact(out)
}

// checkFile judges what one file imports and uses. Test files may import what they like.
func checkFile(s source) []string {
	if s.test {
		return nil
	}
	rule, known := find(s.dir)
	if !known {
		return nil // checkPackage says so
	}
	var out []string
	for _, imported := range s.imports {
		if why := refuse(rule, s.dir, imported); why != "" {
			out = append(out, fmt.Sprintf("%s/%s imports %s: %s", s.dir, s.file, short(imported), why))
		}
	}
	if rule.purity == pure || rule.purity == contract {
		for _, call := range s.calls {
			out = append(out, fmt.Sprintf("%s/%s uses %s: pure code gets the time as an argument and writes nothing", s.dir, s.file, call))
		}
	}
	return out
}

// refuse says why a package of this rule may not import that; empty when it may.
func refuse(rule row, dir, imported string) string {
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return refuseOurs(rule, dir, ours)
	}
	std := !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	switch rule.purity {
	case pure, contract:
		outside := pureOutside
		if rule.purity == contract {
			outside = contractOutside
		}
		if matches(impure, imported) && !matches(pureAlthough, imported) {
			return "pure packages read no clock, no chance and nothing of the world"
		}
		if !std && !matches(outside, imported) {
			return "a " + string(rule.purity) + " package imports no clients, loggers or controller-runtime; if this is only types or arithmetic, add it to the list in internal/layers_test.go"
		}
	case sidecar:
		if matches(kubernetes, imported) {
			return "what runs inside pods imports nothing from Kubernetes"
		}
	}
	return ""
}

func refuseOurs(rule row, dir, ours string) string {
	switch {
	case matches([]string{"internal/testkit/..."}, ours) && !matches([]string{"internal/testkit/..."}, dir):
		return whyTestkit
	case matches([]string{"api/..."}, ours) && rule.purity != contract && rule.purity != sidecar:
		return ""
	case matches(rule.ours, ours):
		return ""
	case slices.Contains(rule.ours, ".") && strings.HasPrefix(ours, dir+"/"):
		return ""
	}
	return rule.why
}

// checkPackage judges a package as a whole: it must be known, well named, and say what it is.
func checkPackage(dir string, sources []source) []string {
	rule, known := find(dir)
	if !known {
		return []string{dir + " is in no layer: add it to the rows of internal/layers_test.go and to docs/architecture.md"}
	}
	var out []string
	var doc strings.Builder
	name, generated := "", true
	for _, s := range sources {
		if s.dir == dir && !s.test {
			name = s.name
			doc.WriteString(s.doc)
			generated = generated && s.generated
		}
	}
	if name == "" || generated {
		return nil // only tests, or not written by people
	}
	if slices.Contains(bannedNames, name) {
		out = append(out, fmt.Sprintf("%s is called %s: a name says what a package is about, and %s says nothing", dir, name, name))
	}
	return append(out, checkDoc(dir, name, rule, doc.String())...)
}

var words = map[purity]*regexp.Regexp{pure: regexp.MustCompile(`\b[Pp]ure\b`), io: regexp.MustCompile(`\b(?:I/O|[Pp]ure)\b`)}

func checkDoc(dir, name string, rule row, doc string) []string {
	word := words[rule.purity]
	switch {
	case doc == "", name != "main" && !strings.HasPrefix(doc, "Package "+name+" "):
		return []string{dir + " has no package comment: say what it decides or does, whether it is pure, and who calls it"}
	case word != nil && !word.MatchString(doc):
		return []string{fmt.Sprintf("the package comment of %s does not say that it is %s", dir, strings.ToUpper(string(rule.purity[:1]))+string(rule.purity[1:]))}
	}
	return nil
}

// checkReach follows our own packages from everything that is shipped: a forbidden import hurts from any distance.
func checkReach(sources []source) []string {
	edges := map[string][]string{}
	for _, s := range sources {
		if !s.test {
			edges[s.dir] = append(edges[s.dir], s.imports...)
		}
	}
	var out []string
	for _, dir := range packages(sources) {
		rule, known := find(dir)
		if known && rule.purity == sidecar {
			out = append(out, reach(edges, dir, kubernetes, "what runs inside pods imports nothing from Kubernetes, not even through others")...)
		}
		if strings.HasPrefix(dir, "cmd/") {
			out = append(out, reach(edges, dir, testLibraries, "test libraries are not shipped")...)
		}
	}
	return out
}

// reach reports the shortest way from a package to each import that matches a forbidden pattern.
func reach(edges map[string][]string, from string, forbidden []string, why string) []string {
	var out []string
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		way := queue[0]
		for _, imported := range edges[way[len(way)-1]] {
			next := short(imported)
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(way), next)
			if matches(forbidden, imported) {
				out = append(out, strings.Join(longer, " -> ")+": "+why)
			} else if next != imported {
				queue = append(queue, longer)
			}
		}
	}
	return out
}

// packages lists the folders that the rules speak of.
func packages(sources []source) []string {
	var out []string
	for _, s := range sources {
		onlyTests := s.dir == "internal"
		if !onlyTests && !slices.Contains(out, s.dir) {
			out = append(out, s.dir)
		}
	}
	return out
}

func find(dir string) (row, bool) {
	for _, r := range rows {
		if matches([]string{r.packages}, dir) {
			return r, true
		}
	}
	return row{}, false
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if tree, ok := strings.CutSuffix(p, "/..."); name == p || ok && (name == tree || strings.HasPrefix(name, tree+"/")) {
			return true
		}
	}
	return false
}

// short is a path below our module, or somebody else's import path as it is.
func short(imported string) string { return strings.TrimPrefix(imported, module+"/") }

// The rules are known to be able to fail: each row breaks one.
func TestLayersCanFail(t *testing.T) {
	t.Parallel()
	const (
		pureDoc = "// Package p is a test. Pure; called by nobody.\n"
		ioDoc   = "// Package p is a test. I/O; called by nobody.\n"
		ours    = `"` + module + `/`
	)
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{
			name: "all well",
			files: map[string]string{
				"internal/health/a.go":               pureDoc + `package p; import ("time"; "net/url"; "k8s.io/api/core/v1"; ` + ours + `internal/snapshot"); var t time.Time`,
				"internal/health/a_test.go":          `package p; import ("os"; "time"; ` + ours + `internal/testkit"); var t = time.Now()`,
				"internal/apply/a.go":                ioDoc + `package p; import ("context"; ` + ours + `internal/desired/object"; "sigs.k8s.io/controller-runtime/pkg/client")`,
				"internal/controller/environment.go": ioDoc + `package p; import ` + ours + `internal/controller/environment"`,
				"internal/desired/a.go":              pureDoc + `package p; import ` + ours + `internal/desired/webserver"`,
				"cmd/manager/main.go":                "// Command manager is a test.\npackage main; import " + ours + `internal/controller"`,
				"other/go.mod":                       "module other",
				"other/a.go":                         "package util",
				"internal/health/testdata/a.go":      "package util",
				".hidden/a.go":                       "package util",
			},
		},
		{
			name:  "forbidden imports of a pure package",
			files: map[string]string{"internal/health/a.go": pureDoc + `package p; import ("context"; "os"; "os/exec"; "net"; "net/http"; "math/rand"; "math/rand/v2"; "crypto/rand"; "log/slog")`},
			want: []string{
				"internal/health/a.go imports context: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports crypto/rand: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports log/slog: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports math/rand/v2: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports math/rand: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports net/http: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports net: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports os/exec: pure packages read no clock, no chance and nothing of the world",
				"internal/health/a.go imports os: pure packages read no clock, no chance and nothing of the world",
			},
		},
		{
			name:  "clients and loggers in a pure package",
			files: map[string]string{"internal/rollout/plan/a.go": pureDoc + `package p; import ("sigs.k8s.io/controller-runtime/pkg/client"; "k8s.io/client-go/kubernetes"; "github.com/go-logr/logr")`},
			want: []string{
				"internal/rollout/plan/a.go imports github.com/go-logr/logr: a pure package imports no clients, loggers or controller-runtime; if this is only types or arithmetic, add it to the list in internal/layers_test.go",
				"internal/rollout/plan/a.go imports k8s.io/client-go/kubernetes: a pure package imports no clients, loggers or controller-runtime; if this is only types or arithmetic, add it to the list in internal/layers_test.go",
				"internal/rollout/plan/a.go imports sigs.k8s.io/controller-runtime/pkg/client: a pure package imports no clients, loggers or controller-runtime; if this is only types or arithmetic, add it to the list in internal/layers_test.go",
			},
		},
		{
			name:  "the contract imports a client and a stage",
			files: map[string]string{"api/v1alpha1/a.go": pureDoc + `package p; import ("sigs.k8s.io/gateway-api/apis/v1"; ` + ours + `internal/naming")`},
			want: []string{
				"api/v1alpha1/a.go imports internal/naming: " + whyContract,
				"api/v1alpha1/a.go imports sigs.k8s.io/gateway-api/apis/v1: a contract package imports no clients, loggers or controller-runtime; if this is only types or arithmetic, add it to the list in internal/layers_test.go",
			},
		},
		{
			name: "clocks in a pure package",
			files: map[string]string{
				"internal/health/a.go":    pureDoc + `package p; import ("fmt"; "time"); var now = time.Now; func f() { time.Sleep(1); fmt.Println() }`,
				"internal/condition/a.go": pureDoc + `package p; import (clock "time"; metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"); var a, b = clock.Since(clock.Time{}), metav1.Now()`,
				"internal/naming/a.go":    pureDoc + `package p; import . "time"; var a = Now()`,
				"internal/apply/a.go":     ioDoc + `package p; import "time"; var a = time.Now()`,
			},
			want: []string{
				"internal/condition/a.go uses clock.Since: pure code gets the time as an argument and writes nothing",
				"internal/condition/a.go uses metav1.Now: pure code gets the time as an argument and writes nothing",
				"internal/health/a.go uses fmt.Println: pure code gets the time as an argument and writes nothing",
				"internal/health/a.go uses time.Now: pure code gets the time as an argument and writes nothing",
				"internal/health/a.go uses time.Sleep: pure code gets the time as an argument and writes nothing",
				`internal/naming/a.go uses . "time": pure code gets the time as an argument and writes nothing`,
			},
		},
		{
			name: "against the flow",
			files: map[string]string{
				"internal/snapshot/a.go":           pureDoc + `package p; import ` + ours + `internal/health"`,
				"internal/rollout/inplace/a.go":    pureDoc + `package p; import (` + ours + `internal/rollout/immutable"; ` + ours + `internal/rollout")`,
				"internal/desired/worker/a.go":     pureDoc + `package p; import (` + ours + `internal/desired/scaling"; ` + ours + `internal/desired")`,
				"internal/desired/webserver/ok.go": pureDoc + `package p; import (` + ours + `internal/desired/pod"; ` + ours + `internal/desired/webserver/routing")`,
				"internal/outcome/a.go":            pureDoc + `package p; import ` + ours + `internal/condition"`,
			},
			want: []string{
				"internal/desired/worker/a.go imports internal/desired/scaling: " + whyBuilder,
				"internal/desired/worker/a.go imports internal/desired: " + whyBuilder,
				"internal/outcome/a.go imports internal/condition: " + whyPure,
				"internal/rollout/inplace/a.go imports internal/rollout/immutable: " + whyPolicy,
				"internal/rollout/inplace/a.go imports internal/rollout: " + whyPolicy,
				"internal/snapshot/a.go imports internal/health: " + whyPure,
			},
		},
		{
			name:  "I/O imports I/O and a controller",
			files: map[string]string{"internal/inputs/a.go": ioDoc + `package p; import (` + ours + `internal/apply"; ` + ours + `internal/controller/shell")`},
			want: []string{
				"internal/inputs/a.go imports internal/apply: " + whyIO,
				"internal/inputs/a.go imports internal/controller/shell: " + whyIO,
			},
		},
		{
			name: "a controller imports another, and the list of all",
			files: map[string]string{
				"internal/controller/environment/a.go": ioDoc + `package p; import (` + ours + `internal/controller/application"; ` + ours + `internal/controller"; ` + ours + `internal/controller/shell")`,
				"internal/controller/shell/a.go":       ioDoc + `package p; import ` + ours + `internal/controller/environment"`,
			},
			want: []string{
				"internal/controller/environment/a.go imports internal/controller/application: " + whyController,
				"internal/controller/environment/a.go imports internal/controller: " + whyController,
				"internal/controller/shell/a.go imports internal/controller/environment: " + whyController,
			},
		},
		{
			name: "testkit outside tests",
			files: map[string]string{
				"internal/controller/shell/a.go": ioDoc + `package p; import ` + ours + `internal/testkit"`,
				"hack/tool/main.go":              "// Command tool is a test.\npackage main; import " + ours + `internal/testkit/schema"`,
				"test/integration/a.go":          pureDoc + `package p; import ` + ours + `internal/testkit"`,
			},
			want: []string{
				"hack/tool/main.go imports internal/testkit/schema: " + whyTestkit,
				"internal/controller/shell/a.go imports internal/testkit: " + whyTestkit,
				"test/integration/a.go imports internal/testkit: " + whyTestkit,
			},
		},
		{
			name: "the worker daemon and Kubernetes",
			files: map[string]string{
				"internal/workerd/dispatch/a.go": pureDoc + `package p; import ("k8s.io/api/core/v1"; ` + ours + `api/v1alpha1")`,
				"internal/workerd/contract/a.go": pureDoc + `package p; import ` + ours + `internal/naming"`,
				"internal/naming/a.go":           pureDoc + `package p; import "k8s.io/apimachinery/pkg/labels"`,
				"cmd/workerd/main.go":            "// Command workerd is a test.\npackage main; import " + ours + `internal/workerd/contract"`,
			},
			want: []string{
				"cmd/workerd -> internal/workerd/contract -> internal/naming -> k8s.io/apimachinery/pkg/labels: what runs inside pods imports nothing from Kubernetes, not even through others",
				"internal/workerd/contract -> internal/naming -> k8s.io/apimachinery/pkg/labels: what runs inside pods imports nothing from Kubernetes, not even through others",
				"internal/workerd/contract/a.go imports internal/naming: " + whySidecar,
				"internal/workerd/dispatch -> k8s.io/api/core/v1: what runs inside pods imports nothing from Kubernetes, not even through others",
				"internal/workerd/dispatch/a.go imports api/v1alpha1: " + whySidecar,
				"internal/workerd/dispatch/a.go imports k8s.io/api/core/v1: what runs inside pods imports nothing from Kubernetes",
			},
		},
		{
			name: "a shipped binary reaches test libraries",
			files: map[string]string{
				"cmd/manager/main.go":          "// Command manager is a test.\npackage main; import " + ours + `internal/controller"`,
				"internal/controller/a.go":     ioDoc + `package p; import (` + ours + `internal/observe"; "helm.sh/helm/v4/pkg/chart")`,
				"internal/observe/a.go":        ioDoc + `package p; import ("github.com/onsi/gomega"; "sigs.k8s.io/controller-runtime/pkg/envtest")`,
				"internal/testkit/a.go":        pureDoc + `package p; import "github.com/onsi/gomega"`,
				"internal/observe/a_test.go":   `package p; import "github.com/onsi/ginkgo/v2"`,
				"internal/observe/more/go.mod": "module more",
			},
			want: []string{
				"cmd/manager -> internal/controller -> helm.sh/helm/v4/pkg/chart: test libraries are not shipped",
				"cmd/manager -> internal/controller -> internal/observe -> github.com/onsi/gomega: test libraries are not shipped",
				"cmd/manager -> internal/controller -> internal/observe -> sigs.k8s.io/controller-runtime/pkg/envtest: test libraries are not shipped",
			},
		},
		{
			name:  "a command that does more than start",
			files: map[string]string{"cmd/beanpod/main.go": "// Command beanpod is a test.\npackage main; import " + ours + `internal/controller"`},
			want:  []string{"cmd/beanpod/main.go imports internal/controller: " + whyWiring},
		},
		{
			name: "a package that nobody knows",
			files: map[string]string{
				"internal/other/a.go": pureDoc + "package p",
				"pkg/a.go":            pureDoc + "package p",
			},
			want: []string{
				"internal/other is in no layer: add it to the rows of internal/layers_test.go and to docs/architecture.md",
				"pkg is in no layer: add it to the rows of internal/layers_test.go and to docs/architecture.md",
			},
		},
		{
			name: "names that say nothing",
			files: map[string]string{
				"internal/testkit/util/a.go":   "// Package utils is a test.\npackage utils",
				"internal/testkit/common/a.go": "// Package common is a test.\npackage common",
			},
			want: []string{
				"internal/testkit/common is called common: a name says what a package is about, and common says nothing",
				"internal/testkit/util is called utils: a name says what a package is about, and utils says nothing",
			},
		},
		{
			name: "package comments",
			files: map[string]string{
				"internal/health/a.go":  "package p",
				"internal/naming/a.go":  "// Package p is a test.\npackage p",
				"internal/apply/a.go":   "// Package p is a test.\npackage p",
				"internal/outcome/a.go": "// Copyright. Pure.\n\npackage p",
				"internal/inputs/a.go":  "// Code generated by a test. DO NOT EDIT.\n\npackage p",
				"cmd/manager/main.go":   "package main",
			},
			want: []string{
				"cmd/manager has no package comment: say what it decides or does, whether it is pure, and who calls it",
				"internal/health has no package comment: say what it decides or does, whether it is pure, and who calls it",
				"internal/outcome has no package comment: say what it decides or does, whether it is pure, and who calls it",
				"the package comment of internal/apply does not say that it is I/O",
				"the package comment of internal/naming does not say that it is Pure",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{}
			for name, text := range tc.files {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
			sources, err := load(tree)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, check(sources)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayersReportsBrokenFiles(t *testing.T) {
	t.Parallel()
	_, err := load(fstest.MapFS{"internal/health/a.go": {Data: []byte("package")}})
	if err == nil {
		t.Error("a file that cannot be parsed was passed over")
	}
}
