# Targets are documented by the ## comment beside them; `make` alone prints the list.
# Only Go, make and bash are needed; tools are pinned under hack/tools and built on first use.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:

VERSION ?= dev
OUT ?= bin
SOAK_MINUTES ?= 30
# Extra flags for every test run, as in: make test-unit ARGS='-run TestX -v'
ARGS ?=

# Images must be static; tests are built the same way, so that packages are compiled once for both.
export CGO_ENABLED ?= 0
# The cluster and its tools are chosen by the targets below, never by what happens to be in the caller's shell.
CLUSTER := hack/cluster/cluster
CONTROLLER_GEN = $(shell hack/tools/build controller-gen)
GENERATED := api config charts
# Modules of their own beside the main one, which ./... does not reach.
NESTED := $(patsubst %/go.mod,%,$(shell find charts test -name go.mod 2>/dev/null))

##@ Development

.PHONY: help
help: ## Print this list.
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: generate
generate: ## Regenerate deep copies and apply configurations.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt applyconfiguration:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: ## Regenerate the CRDs, the operator's role, and the chart's copies of both.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=beanpod-manager paths=./internal/... output:rbac:artifacts:config=config/rbac
	go run ./hack/chart-crds

.PHONY: fmt
fmt: ## Format all Go code.
	gofmt -w $$(find . -name '*.go' -not -path './.*')

.PHONY: vet
vet: ## Run go vet.
	go vet ./...
	for d in $(NESTED); do (cd $$d && go vet ./...); done

.PHONY: lint
lint: ## Run the linters of hack/lint.
	$$(hack/tools/build golangci-lint) run --allow-serial-runners --config hack/lint/golangci.yaml ./...

.PHONY: verify
verify: generate manifests lint ## Regenerate everything, lint, then demand a clean tree.
	git diff --exit-code
	@test -z "$$(git status --porcelain)" || { git status --short; echo 'verify: files are not committed' >&2; exit 1; }

# Compares with what is on disk, not with git: uncommitted work is fine, stale generated files are not.
.PHONY: verify-generated
verify-generated: ## Check that generated files are current.
	@sums() { find $(GENERATED) -type f -print0 | sort -z | xargs -0 sha256sum; }; before=$$(sums); \
	$(MAKE) generate manifests >/dev/null; \
	diff <(echo "$$before") <(sums) || { echo 'verify-generated: the files above were stale and are now regenerated; commit them' >&2; exit 1; }

.PHONY: presubmit
presubmit: verify test ## What CI demands of a change.

##@ Tests

.PHONY: test
test: verify-generated test-unit test-integration test-e2e ## Run all tests but soak and test-nightly.

.PHONY: test-unit
test-unit: vet ## Run tests that need nothing but Go.
	env -u KUBEBUILDER_ASSETS -u KUBECONFIG go test $(ARGS) ./api/... ./internal/... ./cmd/... ./hack/...
	for d in $(NESTED); do (cd $$d && env -u KUBEBUILDER_ASSETS -u KUBECONFIG go test $(ARGS) ./...); done

.PHONY: test-faults
test-faults: ## Play every fault at every write, 20,000 pairs, and a sixteenth of them on a real API server: an hour on two cores.
	go test ./internal/testkit/faults -count=1 -timeout 4h -v -run 'TestFaults|TestPlanted' -seed=0 -some=0 -pairs=20000 $(ARGS)
	go test ./internal/database/deletion -count=1 -timeout 1h -v -run 'TestExplore|TestHistories' -deep -histories=1000000
	go test ./internal/controller/databaseclaim -count=1 -timeout 1h -v -run '^TestFaults$$' -pairs=0
	$(CLUSTER) build control-plane
	env -u KUBECONFIG KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" go test ./test/integration -count=1 -timeout 30m -v -run TestWritePoints -shard=day/16

.PHONY: test-platforms
test-platforms: ## Build and run the sample of every platform in its image, without a cluster (root needed; minutes).
	PLATFORM_IMAGES=1 go test ./hack/images -count=1 -timeout 30m -v -run TestPlatforms $(ARGS)

.PHONY: test-integration
test-integration: ## Run tests against a real API server, etcd, buckets, brokers and PostgreSQL.
	$(CLUSTER) build control-plane
	brokers=; if $(CLUSTER) packages brokers; then brokers=1; elif [ "$${CI:-}" = true ]; then exit 1; fi; \
	postgres=; if $(CLUSTER) packages postgres; then postgres=1; elif [ "$${CI:-}" = true ]; then exit 1; fi; \
	gofakes3=$$(hack/tools/build gofakes3); versitygw=$$(hack/tools/build versitygw); nats=$$(hack/tools/build nats-server); \
	fauxqs=$$(hack/tools/build fauxqs); keda=$$(hack/tools/module keda); \
	env -u KUBECONFIG KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" GOFAKES3="$$gofakes3" VERSITYGW="$$versitygw" NATS_SERVER="$$nats" FAUXQS="$$fauxqs" KEDA_MODULE="$$keda" BROKERS="$$brokers" POSTGRES="$$postgres" go test -timeout 45m $(ARGS) ./api/... ./internal/... ./test/integration/... ./test/worker/...

.PHONY: test-e2e
test-e2e: ## Run tests on a real one-node cluster (root needed).
	$(CLUSTER) build
	helm=$$(hack/tools/build helm); assets=$$($(CLUSTER) assets); \
	env -u KUBECONFIG HELM="$$helm" KUBECTL="$$assets/kubectl" KUBEBUILDER_ASSETS="$$assets" PATH="$$assets:$$(dirname "$$helm"):$$PATH" \
		go test -v -count=1 -timeout 40m $(ARGS) ./test/e2e/...

.PHONY: test-cloudnativepg
test-cloudnativepg: ## Run databases that CloudNativePG's real operator makes, on the cluster of test-e2e (root needed; 15 minutes).
	hack/tools/build cloudnative-pg >/dev/null
	CNPG_OPERATOR=1 $(MAKE) test-e2e ARGS="-run TestCloudNativePG $(ARGS)"

.PHONY: test-keda
test-keda: ## Have KEDA's real operator scale workers on a real cluster (root needed; builds KEDA once, which takes long).
	KEDA_MODULE="$$(hack/tools/module keda)" $(MAKE) test-e2e ARGS="-run TestKEDA $(ARGS)"

.PHONY: test-nightly
test-nightly: test-faults test-keda test-cloudnativepg ## What takes too long for every change: all faults, and other people's operators.

.PHONY: bench-worker
bench-worker: ## Measure the queue daemon against a bare loop on the same broker.
	nats=$$(hack/tools/build nats-server); NATS_SERVER="$$nats" go test -count=1 -v $(ARGS) ./test/bench/worker

.PHONY: soak-worker
soak-worker: ## Kill queue daemons, applications and brokers under 1,000,000 messages each; WORKER_MESSAGES and WORKER_KILLS say how many.
	$(CLUSTER) packages brokers
	nats=$$(hack/tools/build nats-server); fauxqs=$$(hack/tools/build fauxqs); NATS_SERVER="$$nats" FAUXQS="$$fauxqs" BROKERS=1 WORKER_MESSAGES=$${WORKER_MESSAGES:-1000000} WORKER_KILLS=$${WORKER_KILLS:-1000} \
		go test -count=1 -v -timeout 2h $(ARGS) ./test/worker

.PHONY: soak
soak: ## Deploy, fail, abort and kill under load for SOAK_MINUTES (root needed).
	SOAK_MINUTES=$(SOAK_MINUTES) $(MAKE) test-e2e ARGS="-run TestSoak -timeout $$(( $(SOAK_MINUTES) + 15 ))m $(ARGS)"

##@ Trying it out

.PHONY: rollout-preview
rollout-preview: ## Print the steps of a rollout policy; ARGS says which, and without it how.
	go run ./hack/rollout-preview $(ARGS)

.PHONY: demo
demo: ## Install the operator and a sample application, on KUBECONFIG's cluster or a local one.
	hack/demo

.PHONY: demo-down
demo-down: ## Remove what demo made; a local cluster goes away whole.
	hack/demo down

.PHONY: cluster-up
cluster-up: ## Start the local cluster alone.
	$(CLUSTER) up

.PHONY: cluster-down
cluster-down: ## Stop the local cluster.
	$(CLUSTER) down

##@ Build

.PHONY: build
build: ## Compile the programs into bin/.
	mkdir -p $(OUT)
	go build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o $(OUT)/ ./cmd/...
	ln -sf beanpod $(OUT)/kubectl-beanpod # what `kubectl beanpod` looks for on the PATH

.PHONY: image
image: ## Make the operator's image archive, bin/beanpod-VERSION.tar.
	mkdir -p $(OUT)
	go run ./hack/images operator --release --version $(VERSION) -o $(OUT)/beanpod-$(VERSION).tar
