# make help lists the targets. Nothing here is needed to use the crate or its programs from cargo: these are the
# project's own checks, and the way to install the programs with the names and places that ipvsadm has.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

CARGO ?= cargo
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin

PROGRAMS := ipvsadm ipvsadm-save ipvsadm-restore
BUILT := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# The kernel tests' binary runs where there is IPVS; an array, since the path may hold blanks.
ON_IPVS := --config "target.'cfg(unix)'.runner=['$(CURDIR)/tests/with-ipvs']"

LABS := nat dr tun ha fwmark ipv6
LAB ?= nat

.PHONY: build check test demo lab install clean help rust

build: rust ## the three programs, optimised, in target/release (the default)
	$(CARGO) build --locked --release

check: rust ## format, lints, documentation, and the tests that need no kernel
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test kernel -- -D warnings
	$(CARGO) clippy --locked --no-default-features --lib -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	tests/provide manual
	$(CARGO) test --locked --lib --bins --tests
	$(CARGO) test --locked --doc

test: check ## everything: check, then the tests on a real IPVS kernel, side by side with ipvsadm 1.31
	tests/provide kernel reference traffic labs callers trace shells
	$(CARGO) $(ON_IPVS) test --locked --test kernel | tee "$(BUILT)/kernel-tests.log"
	@grep -q '^running [1-9]' "$(BUILT)/kernel-tests.log" || { echo "make test: no test ran on the kernel" >&2; exit 1; }
	LAB_BIN="$(BUILT)/debug" labs/run $(LABS)

demo: rust ## two web servers behind a virtual service, with everything that ipvsadm shows of it
	tests/provide kernel traffic
	$(CARGO) build --locked --release
	LAB_BIN="$(BUILT)/release" labs/nat.sh

lab: rust ## a network to look at IPVS in, LAB=nat, dr, tun, ha, fwmark or ipv6; docs/ has a page for each
	@[ -n "$(filter $(LAB),$(LABS))" ] || { echo "make lab: LAB is one of: $(LABS)" >&2; exit 2; }
	tests/provide kernel traffic labs
	$(CARGO) build --locked --release
	LAB_BIN="$(BUILT)/release" labs/$(LAB).sh

# Where root has no cargo, what its user has built is installed.
install: $(if $(shell command -v $(CARGO)),build) ## the programs into DESTDIR, PREFIX (/usr/local), SBINDIR (PREFIX/sbin)
	install -d "$(DESTDIR)$(SBINDIR)"
	install -m 755 $(PROGRAMS:%="$(BUILT)/release/%") "$(DESTDIR)$(SBINDIR)"

clean: ## removes what was built, and what tests/provide unpacked
	$(CARGO) clean
	rm -rf target

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf 'make %-8s %s\n' "$$name" "$$text"; done

# First of all, before anything is installed or built.
rust:
	@needed=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
	found=$$($(CARGO) --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1) || true; \
	[ "$$(printf '%s\n' "$$needed" "$$found" | sort -V | head -n 1)" = "$$needed" ] || { \
		[ -n "$$found" ] && here="cargo here is $$found" || here="there is no cargo on PATH"; \
		echo "This needs Rust $$needed or newer; $$here." >&2; \
		echo "Get it from https://rustup.rs, or as your distribution's packages cargo, rustfmt and clippy where they are recent enough." >&2; \
		exit 1; }
