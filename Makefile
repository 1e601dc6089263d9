# What a contributor types. `make help` lists it; `make check` is exactly what CI runs.

SHELL      := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN        := $(CURDIR)/bin
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
VERSIONPKG := github.com/prometheus/common/version
LDFLAGS    := -s -w -X $(VERSIONPKG).Version=$(VERSION) -X $(VERSIONPKG).Revision=$(REVISION)
MODULES    := . tools demo bench bench/peers
FUZZTIME   ?= 5m
ARGS       ?=

.DEFAULT_GOAL := help

## help: list these targets
.PHONY: help
help:
	@grep -E '^## [a-z]' $(MAKEFILE_LIST) | sed 's/^## //' | awk -F': ' '{printf "  %-10s %s\n", $$1, $$2}'

## build: the sidecar, as bin/outrider
.PHONY: build
build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/outrider ./cmd/outrider

## test: unit, command-line and end-to-end tests, with the race detector
.PHONY: test
test: unit e2e

.PHONY: unit
unit:
	tools/need gcc
	CGO_ENABLED=1 go test -race ./...
	cd bench && CGO_ENABLED=1 go test -race ./...

## race: the same as unit tests, each run three times over
.PHONY: race
race:
	tools/need gcc
	CGO_ENABLED=1 go test -race -count=3 ./...

## e2e: the real sidecar, service and Prometheus together
.PHONY: e2e
e2e: build servers
	tools/need gcc
	cd demo && OUTRIDER_BIN=$(BIN)/outrider PROMETHEUS_BIN=$(BIN)/prometheus PROMTOOL_BIN=$(BIN)/promtool \
		CGO_ENABLED=1 go test -race -timeout 20m ./...

## faults: crashes and faults, counted; ARGS='--short' takes about a minute
.PHONY: faults
faults: build servers
	tools/debian-prometheus $(BIN)/prometheus-2.42
	cd demo && CGO_ENABLED=0 go build -trimpath -o $(BIN)/faults ./cmd/faults
	$(BIN)/faults --root . --outrider $(BIN)/outrider --prometheus $(BIN)/prometheus \
		$$([ ! -x $(BIN)/prometheus-2.42 ] || echo --old-prometheus $(BIN)/prometheus-2.42) $(ARGS)

## demo: the whole thing on this machine; ARGS='--for 30s' ends by itself
.PHONY: demo
demo:
	@echo "compiling the demo (a minute or two the first time)"
	@cd demo && CGO_ENABLED=0 go run -trimpath ./cmd/demo --root .. $(ARGS)

## lint: formatting, vet, staticcheck and tidy modules
.PHONY: lint
lint: $(BIN)/staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
		if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	@for m in $(MODULES); do echo "lint $$m"; \
		(cd $$m && go mod tidy -diff && go vet ./... && { [ $$m = tools ] || $(BIN)/staticcheck ./...; }); done

## fuzz: every fuzz target for FUZZTIME (5m)
.PHONY: fuzz
fuzz:
	tools/fuzz $(FUZZTIME)

## golden: write the golden files again
.PHONY: golden
golden:
	tools/golden

## generate: write what is generated from code (the configuration reference)
.PHONY: generate
generate:
	go test ./agent/config -run TestReference -update

## bench: Outrider, vmagent and Prometheus side by side; ARGS='--quick' for a look
.PHONY: bench
bench: build $(BIN)/prometheus $(BIN)/vmagent
	CGO_ENABLED=0 go build -C bench -trimpath -o $(BIN)/ ./cmd/...
	OUTRIDER_BIN=$${OUTRIDER_BIN:-$(BIN)/outrider} $(BIN)/bench --bin $(BIN) $(ARGS)

## microbench: benchmarks of the hot paths, with allocations
.PHONY: microbench
microbench:
	go test -run '^$$' -bench . -benchmem ./agent/... ./profiler/...

## check: everything CI runs
.PHONY: check
check: lint test
	tools/fuzz 5s FuzzCompiledAgainstSlow=60s

## clean: remove what was built
.PHONY: clean
clean:
	rm -rf $(BIN)

# Servers and checkers come from the pinned tools module. Prometheus is built without the
# service discoveries that a loopback test never uses.
.PHONY: servers
servers: $(BIN)/prometheus $(BIN)/promtool

$(BIN)/prometheus: tools/go.mod
	@echo "building Prometheus (a few minutes the first time)"
	CGO_ENABLED=0 go build -C tools -trimpath -tags remove_all_sd -o $@ github.com/prometheus/prometheus/cmd/prometheus
	@touch $@

$(BIN)/promtool: tools/go.mod
	@echo "building promtool"
	CGO_ENABLED=0 go build -C tools -trimpath -tags remove_all_sd -o $@ github.com/prometheus/prometheus/cmd/promtool
	@touch $@

# vmagent as its releases are built: with cgo.
$(BIN)/vmagent: bench/peers/go.mod
	tools/need gcc
	@echo "building vmagent (a minute the first time)"
	CGO_ENABLED=1 go build -C bench/peers -trimpath -ldflags '-s -w' -o $@ github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent
	@touch $@

$(BIN)/staticcheck: tools/go.mod
	CGO_ENABLED=0 go build -C tools -trimpath -o $@ honnef.co/go/tools/cmd/staticcheck
	@touch $@
