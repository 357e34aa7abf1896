# Everything is built and tested from here; .ci/run calls "make test".

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The toolchain that go.mod names, or the one at hand where it cannot be had.
export GOTOOLCHAIN := $(shell GOTOOLCHAIN=auto go version >/dev/null 2>&1 && echo auto || echo local)
export CGO_ENABLED := 0

MODULES := . assets/build cmd/ctlive/e2e collector/forward/e2e
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
FUZZTIME ?= 4s

.PHONY: build demo test unit e2e fuzz lint bench microbench load soak generate install race

build: ## the static binary, bin/ctlive
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ctlive ./cmd/ctlive

demo: ## the demo site behind the proxy
	go run ./cmd/ctlive demo

test: install lint unit e2e fuzz ## everything that must pass

install: ## what the tests need besides Go
	.ci/install

lint: ## formatting and vet
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "run gofmt -w on: $$unformatted"; exit 1; }
	for m in $(MODULES); do (cd $$m && go vet ./...); done

# Runs tests as `go test` with the same arguments does. What failed or was skipped, and why, comes last.
TESTS := $(CURDIR)/bin/gotestsum --format pkgname --

bin/gotestsum: cmd/ctlive/e2e/go.mod
	cd cmd/ctlive/e2e && go build -o $(CURDIR)/bin/gotestsum gotest.tools/gotestsum

unit: bin/gotestsum
	$(TESTS) -timeout 5m ./...
	cd assets/build && $(TESTS) -timeout 5m ./...

e2e: bin/gotestsum ## the built binary, with browsers and servers
	cd cmd/ctlive/e2e && $(TESTS) -timeout 10m -parallel 8 ./...
	cd collector/forward/e2e && $(TESTS) -timeout 10m ./...

fuzz: ## each fuzz target for $(FUZZTIME)
	.ci/fuzz $(FUZZTIME)

race: ## unit tests under the race detector; needs a C compiler
	CGO_ENABLED=1 go test -race -timeout 15m ./...

bench: ## ctlive beside nginx, Apache, HAProxy and Caddy, in less than 15 minutes
	@go run ./cmd/ctlive-bench compare

microbench: ## the hot paths: time, memory and allocations
	go test -run '^$$' -bench . -benchmem ./...

load: ## event intake through the built program, with the store checked afterwards
	go run ./cmd/ctlive-bench events --handlers

soak: ## the kill -9 ledgers, 1,000 rounds, and outages of a minute
	cd cmd/ctlive/e2e && CTLIVE_KILLS=1000 go test -timeout 2h -v -run TestKillLedger ./...
	CTLIVE_KILLS=1000 go test -timeout 2h -v -run D1Kill ./collector
	cd cmd/ctlive/e2e && CTLIVE_OUTAGE=1m go test -timeout 15m -v -run 'TestOutage|TestOffline' ./...
	cd collector/forward/e2e && CTLIVE_INTAKE=10m go test -timeout 30m -v -run Restarts ./...

generate: ## minified scripts and the schema, from their sources
	go generate ./...
