# Havre. Every target sets up what it needs and can be repeated; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO := cargo
# Node.js of our own goes first, where there is one (`tests/setup/install web`).
NODE := export PATH="$(CURDIR)/target/node/node_modules/.bin:$$PATH" &&
NEXTEST := $(CARGO) nextest run --locked --workspace --config-file tests/setup/nextest.toml

.PHONY: help run test unit e2e web bench check fmt lint docs locks deny

help: ## This list
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## Build and start the demo line on loopback (Ctrl-C ends it)
	@tests/setup/install build
	@echo '==> building (a few minutes the first time)'
	@$(CARGO) build --release --locked --quiet --package havre
	@exec target/release/havre run --config config/demo.toml

test: unit web e2e ## All tests, those with real phones, a real browser and a real Redis included

unit: ## Tests of every crate, the simulation, and the examples in the documentation
	@tests/setup/install test
	@echo '==> documentation tests'
	@$(CARGO) test --doc --locked --workspace --quiet
	@echo '==> unit and simulation tests'
	@$(NEXTEST) --filterset 'not package(havre-e2e)'

e2e: ## Tests with SIPp, baresip, Linphone, Chromium and Redis against the built program
	@tests/setup/install test
	@tests/setup/install web
	@cd crates/console/web && $(NODE) npm ci --no-audit --no-fund --silent
	@echo '==> the program'
	@$(CARGO) build --locked --workspace --bins --tests
	@echo '==> end-to-end tests'
	@$(NEXTEST) --profile $(if $(CI),ci,e2e) --filterset 'package(havre-e2e)'

web: ## The console's pages: types, texts, the committed build against a fresh one, tests in Chromium
	@tests/setup/install web
	@echo '==> the console'
	@cd crates/console/web && $(NODE) npm ci --no-audit --no-fund --silent && npm run --silent check && npm run --silent built && npm run --silent test

# Of the whole workspace at once, so that every crate is built once.
BENCHES = relay browser line load overload desk viewers guess codecs mixing hearing srtp

bench: ## Measurements; figures go into tests/bench/RESULTS.md
	@tests/setup/install test
	@tests/setup/install web
	@tests/setup/install bench
	@cd crates/console/web && $(NODE) npm ci --no-audit --no-fund --silent
	@$(CARGO) build --release --locked --workspace --bins
	@$(CARGO) bench --locked --workspace $(addprefix --bench ,$(BENCHES))
	@$(CARGO) run --release --locked --quiet --manifest-path tests/bench/signalling/Cargo.toml --target-dir target
	@cd crates/console/web && $(NODE) npm run --silent measure

check: fmt lint docs locks deny ## Format, lints, documentation, lock files, licences and sources

fmt: ## Formatting
	@$(CARGO) fmt --all -- --check

lint: ## Lints, warnings refused
	@tests/setup/install build
	@echo '==> lints'
	@$(CARGO) clippy --locked --workspace --all-targets --quiet -- --deny warnings

docs: ## Documentation, warnings refused
	@tests/setup/install build
	@echo '==> documentation'
	@RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --locked --workspace --no-deps --quiet

locks: ## Lock files of what is not in the workspace: benchmarks and fuzzers have to build later, too
	@echo '==> lock files'
	@for name in tests/bench/signalling tests/fuzz; do \
		$(CARGO) metadata --locked --filter-platform x86_64-unknown-linux-gnu --format-version 1 --manifest-path $$name/Cargo.toml > /dev/null || exit 1; \
	done

deny: ## Licences, duplicates and sources of dependencies
	@tests/setup/install check
	@echo '==> licences, bans, sources'
	@$(CARGO) deny --log-level error --all-features check --hide-inclusion-graph bans licenses sources
