# `make help` lists the targets. cargo alone can build the crates and the programs; this file has the project's checks,
# and installs the programs under the names and paths of ipvsadm.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

CARGO ?= cargo
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin

# The directories in which shells look for completions, and systemd for units.
DATADIR ?= $(PREFIX)/share
LIBEXECDIR ?= $(PREFIX)/libexec
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(DATADIR)/doc/ipvsadm
# Debian's zsh reads vendor-completions below /usr, and site-functions below /usr/local alone. DESTDIR may be the root of
# another system, or a directory that a package is made from.
system = $(if $(wildcard $(DESTDIR)/etc/os-release),$(DESTDIR))
ZSHDIR ?= $(DATADIR)/zsh/$(if $(and $(filter /usr,$(PREFIX)),$(wildcard $(system)/etc/debian_version)),vendor-completions,site-functions)

PROGRAMS := ipvsadm ipvsadm-save ipvsadm-restore
# TARGET=aarch64-unknown-linux-gnu builds for another machine, with the linker of its name.
BUILT := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)$(if $(TARGET),/$(TARGET))
LINKER ?= $(subst -unknown,,$(TARGET))-gcc
linked = $(if $(TARGET),CARGO_TARGET_$(subst -,_,$(shell echo $(TARGET) | tr a-z A-Z))_LINKER=$(LINKER) )
# Runs the kernel tests on a kernel with IPVS. The runner is an array, since the path may contain blanks.
ON_IPVS := --config "target.'cfg(unix)'.runner=['$(CURDIR)/tests/with-ipvs']"
# The same for all of them, on two such kernels at once where that is faster.
ON_IPVS_IN_SHARES := --config "target.'cfg(unix)'.runner=['$(CURDIR)/tests/in-shares']"

# Each version of Rust has different lints. They fail a run with the version named here, and in CI also with a newer
# one; with other versions they are warnings.
LINTED_WITH := 1.95
RUST = $(shell $(CARGO) --version | sed 's/^cargo \([0-9]*\.[0-9]*\).*/\1/')
LINTS = $(if $(filter $(LINTED_WITH) $(if $(CI),$(lastword $(shell printf '%s\n' $(RUST) $(LINTED_WITH) | sort -V))),$(RUST)),-D warnings,--cap-lints warn)

# ipvsadm-top needs a newer Rust than the three other programs. An older Rust builds and checks those alone, and says so.
has_top = $(filter 1.88,$(firstword $(shell printf '%s\n' 1.88 $(RUST) | sort -V)))
FEATURES = $(if $(has_top),--features top)
say_without_top = $(if $(has_top),,echo 'make: without ipvsadm-top, which needs Rust 1.88 (here is $(RUST))' >&2)

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Packages are built from the source tarball, unpacked in target/dist, and have the date of the commit. The build directory
# is shared: the second package compiles nothing, unless rpm is 4.20 or newer, which unpacks the tarball elsewhere.
PACKAGES := $(CURDIR)/target/packages
DIST := $(CURDIR)/target/dist
TREE := $(DIST)/ipvsadm-$(VERSION)
TOOLS := $(CURDIR)/target/tools
EPOCH = SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)}"
PACKAGING = $(EPOCH) CARGO_TARGET_DIR="$(CURDIR)/target/package" CARGO_HOME="$(or $(CARGO_HOME),$(HOME)/.cargo)" \
	RUSTUP_HOME="$(or $(RUSTUP_HOME),$(HOME)/.rustup)"
DEB = $(PACKAGES)/ipvsadm_$(VERSION)-1_$(shell dpkg --print-architecture).deb
RPM = $(PACKAGES)/ipvsadm-$(VERSION)-1.$(shell uname -m).rpm

LABS := nat dr tun ha ldirectord fwmark ipv6
LAB ?= nat

.PHONY: build other-machine check test demo lab bench install uninstall dist packaged deb dsc rpm release \
	reproducible licenses test-boot test-completions \
	test-debian test-nft test-pages test-short downstream fuzz clean help rust provided

# The groups of tests/provide that each target needs. All are provided before anything is compiled: a prerequisite sees
# the groups of the target that was asked for.
check: GROUPS = manual
test: GROUPS = manual kernel reference traffic labs callers trace shells metrics $(if $(ROOT),package deb rpm)
demo: GROUPS = kernel traffic
lab: GROUPS = kernel traffic labs $(if $(filter ldirectord,$(LAB)),callers)
test-boot: GROUPS = package deb rpm
test-completions: GROUPS = kernel trace shells
test-nft: GROUPS = bench nft
test-pages: GROUPS = pages deb
test-short: GROUPS = manual kernel traffic trace shells deb
deb dsc: GROUPS = deb
rpm: GROUPS = rpm
reproducible: GROUPS = package deb rpm
test-debian: GROUPS = debian $(if $(is_short),deb)

# Only root can unpack a Debian and boot it.
ROOT := $(filter 0,$(shell id -u))
# The Debian that this machine is not.
RELEASE ?= $(if $(filter trixie,$(shell . /etc/os-release && echo $${VERSION_CODENAME:-})),bookworm,trixie)
TARGETS ?= test
is_short := $(filter test-short,$(TARGETS))

build: rust $(if $(TARGET),other-machine) ## the programs, optimised, in target/release (the default); TARGET=aarch64-unknown-linux-gnu in target/TARGET/release
	@$(say_without_top)
	$(linked)$(CARGO) build --locked --release $(FEATURES) $(if $(TARGET),--target $(TARGET))

# Checks that the other machine's standard library and linker are here.
other-machine: rust
	@[ -d "$$(rustc --print target-libdir --target $(TARGET))" ] || { \
		echo "The standard library for $(TARGET) is not here. With rustup: rustup target add $(TARGET)" >&2; \
		echo "Distributions have it only in their packages for that machine: build there, or use rustup." >&2; exit 1; }
	@command -v $(LINKER) >/dev/null || { \
		echo "There is no $(LINKER). Debian: gcc-$(subst _,-,$(subst -unknown,,$(TARGET))); Fedora: gcc-$(subst -unknown,,$(TARGET))" >&2; exit 1; }

check: provided ## format, lints, documentation, and the tests that need no kernel
	@$(say_without_top)
	$(CARGO) fmt --all --check
	$(if $(has_top),$(CARGO) clippy --locked --all-targets -- $(LINTS))
	$(CARGO) clippy --locked --workspace --all-targets $(FEATURES) -- $(LINTS)
	$(CARGO) clippy --locked --test kernel $(FEATURES) -- $(LINTS)
	RUSTDOCFLAGS="$(LINTS)" $(CARGO) doc --locked --workspace --no-deps $(FEATURES)
	$(CARGO) test --locked --workspace --lib --bins --tests $(FEATURES)
	$(CARGO) test --locked --workspace --doc

# The last targets of `make test`. Some machines cannot run them: `make test` names those at its start and its end.
last = $(if $(can_deny),licenses) $(if $(ROOT),test-boot)
can_deny = $(has_top)
skipped = $(if $(ROOT),,test-boot (needs root)) $(if $(can_deny),,licenses (cargo-deny needs Rust 1.88))
say_skipped = $(if $(strip $(skipped)),echo 'make test $(1) $(strip $(skipped))' >&2)

test: provided check ## all tests: check, then the tests on a real IPVS kernel, compared with ipvsadm 1.31
	$(CARGO) build --locked --package ipvs-client --examples
	IPVS_KERNEL_TIMEOUT=3000 $(CARGO) $(ON_IPVS_IN_SHARES) test --locked --test kernel $(FEATURES) | tee "$(BUILT)/kernel-tests.log"
	@grep -q '^running [1-9]' "$(BUILT)/kernel-tests.log" || { echo "make test: no test ran on the kernel" >&2; exit 1; }
	IPVS_KERNEL_TIMEOUT=3000 LAB_BIN="$(BUILT)/debug" labs/run $(LABS)
	$(if $(strip $(last)),$(MAKE) --no-print-directory $(last))
	@$(call say_skipped,skipped)

test-nft: provided ## the pages' rules of nft, on Debian's kernel in QEMU
	$(CARGO) build --locked --bin ipvsadm
	tests/nft "$(BUILT)/debug/ipvsadm"

test-pages: provided deb ## the pages' commands for firewalld, Docker, Ansible and network settings, in a Debian in QEMU
	tests/boot/pages "$(DEB)"

test-completions: provided ## bash, zsh and fish complete command lines, on a real IPVS kernel
	$(CARGO) $(ON_IPVS) test --locked --test kernel $(FEATURES) -- completions

# Built once and in a copy of the tree: nothing is debugged there.
test-short: export CARGO_PROFILE_DEV_DEBUG = 0
test-short: export CARGO_INCREMENTAL = 0
test-short: provided build check demo test-completions deb ## a short form of test, for test-debian: the programs, check, demo, completions, the .deb

test-debian: provided $(if $(is_short),deb) ## make TARGETS (test) in a fresh Debian RELEASE (the one of bookworm and trixie that this is not) with its compiler, shells and kernel
	tests/debian $(RELEASE) $(TARGETS)

demo: provided ## a virtual service with two web servers under traffic, and its listings
	$(CARGO) build --locked --release
	LAB_BIN="$(BUILT)/release" labs/nat.sh

lab: provided ## an example network, LAB=nat, dr, tun, ha, ldirectord, fwmark or ipv6; docs/ has a page for each
	@[ -n "$(filter $(LAB),$(LABS))" ] || { echo "make lab: LAB is one of: $(LABS)" >&2; exit 2; }
	$(CARGO) build --locked --release
	LAB_BIN="$(BUILT)/release" labs/$(LAB).sh

# The benchmark is built in a separate directory and without link-time optimisation: it measures other processes, and
# cargo also builds the programs again there.
bench_commands = rm -rf target/bench/ipvsadm* && mkdir -p target/bench && cp $(1:%="$(BUILT)/release/%") target/bench && \
	CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=16 $(CARGO) bench --locked --target-dir "$(BUILT)/harness" --bench commands -- \
	--programs target/bench --json target/bench/results.json --accepted benches/results.json

bench: rust ## benchmarks of whole commands against ipvsadm 1.31 and bare system calls, then of the parts (QUICK=1: only five cases); see BENCHMARKS.md
	tests/provide reference bench
	$(CARGO) build --locked --release
	$(if $(QUICK),,@$(say_without_top))
	$(if $(QUICK),,$(if $(has_top),$(CARGO) build --locked --release --features top --bin ipvsadm-top))
	$(if $(QUICK),$(call bench_commands,$(PROGRAMS)) --quick,\
		{ $(call bench_commands,$(PROGRAMS) $(if $(has_top),ipvsadm-top)) --document BENCHMARKS.md; } || failed=1; \
		$(CARGO) bench --locked --bench parts; exit $${failed:-0})

# Each installed file: its mode, its source, and its destination. A link has its target in place of the source. `make
# install` skips ipvsadm-top if it was not built.
installed = { for program in $(PROGRAMS) ipvsadm-top; do \
		echo "755|$(BUILT)/release/$$program|$(SBINDIR)/$$program"; \
		echo "644|man/$$program.8|$(DATADIR)/man/man8/$$program.8"; \
		[ $$program = ipvsadm ] || echo "link|ipvsadm|$(DATADIR)/bash-completion/completions/$$program"; \
		echo "644|completions/$$program.fish|$(DATADIR)/fish/vendor_completions.d/$$program.fish"; \
	done; \
	echo "644|man/ipvsadm-rules.5|$(DATADIR)/man/man5/ipvsadm-rules.5"; \
	echo "644|completions/ipvsadm.bash|$(DATADIR)/bash-completion/completions/ipvsadm"; \
	for schema in $(notdir $(wildcard docs/schema/*.json)); do echo "644|docs/schema/$$schema|$(DATADIR)/ipvsadm/schema/$$schema"; done; \
	echo "644|completions/_ipvsadm|$(ZSHDIR)/_ipvsadm"; \
	echo "755|systemd/boot|$(LIBEXECDIR)/ipvsadm/boot"; \
	echo "644|systemd/ipvsadm.service|$(UNITDIR)/ipvsadm.service"; }

# The documents, with the notices of all linked crates. Their links to each other work where they are installed.
documents = { for file in *.md LICENSE $$(find docs labs -type f ! -path 'docs/schema/*'); do echo "644|$$file|$(DOCDIR)/$$file"; done; \
	echo "link|$$(realpath -m -s --relative-to="$(DOCDIR)/docs" "$(DATADIR)/ipvsadm/schema")|$(DOCDIR)/docs/schema"; \
	for file in THIRD-PARTY sbom.cdx.json; do echo "644|packaging/$$file|$(DOCDIR)/$$file"; done; }

install_files = while IFS='|' read -r mode file place; do \
		[[ $$file$$place != *ipvsadm-top* || -x "$(BUILT)/release/ipvsadm-top" ]] || continue; \
		if [ "$$mode" = link ]; then \
			mkdir -p "$$(dirname "$(DESTDIR)$$place")" && ln -sfn "$$file" "$(DESTDIR)$$place"; \
		else install -D -m "$$mode" "$$file" "$(DESTDIR)$$place"; fi; \
	done

# If root has no cargo, this installs the programs that the user has built.
install: $(if $(shell command -v $(CARGO)),build) ## programs, manual, completions, unit and documents into DESTDIR, PREFIX (/usr/local), SBINDIR
	@{ $(installed); $(documents); } | $(install_files)
	sed -i 's|^sbin=.*|sbin=$(SBINDIR)|' "$(DESTDIR)$(LIBEXECDIR)/ipvsadm/boot"
	sed -i 's|=/usr/libexec/|=$(LIBEXECDIR)/|' "$(DESTDIR)$(UNITDIR)/ipvsadm.service"

uninstall: ## removes the installed files, with the same variables; rules and settings stay
	@{ $(installed); $(documents); } | while IFS='|' read -r _ _ place; do rm -f "$(DESTDIR)$$place"; done
	rmdir "$(DESTDIR)$(LIBEXECDIR)/ipvsadm" "$(DESTDIR)$(DATADIR)/ipvsadm/schema" "$(DESTDIR)$(DATADIR)/ipvsadm" 2>/dev/null || true
	find "$(DESTDIR)$(DOCDIR)" -depth -type d -empty -delete 2>/dev/null || true

downstream: rust ## a program outside the workspace that depends on the packed library, and the library's examples
	tests/downstream/run

SECONDS ?= 60
fuzz: rust ## random replies, /proc files, rule text and plans, each for SECONDS=60
	fuzz/run $(SECONDS)

# Tools from crates.io at tested versions, installed under target/. They run for seconds, so they are built without
# optimisation.
tool = CARGO_TARGET_DIR="$(TOOLS)/build" CARGO_PROFILE_DEV_DEBUG=0 RUSTFLAGS= \
	$(CARGO) install --quiet --debug --locked --no-track --root "$(TOOLS)/$(1)-$(2)" $(1)@$(2) $(3)
ADVISORIES := https://github.com/rustsec/advisory-db
CARGO_DENY := $(TOOLS)/cargo-deny-0.20.2/bin/cargo-deny
$(CARGO_DENY):
	$(call tool,cargo-deny,0.20.2,--no-default-features)

dist: rust ## the source tarball with all crates, in target/dist, with its checksum and the tree that it has
	@$(EPOCH) packaging/dist "$(DIST)"
	@# The files have the time of the commit, so cargo would miss a change that is not committed.
	@mkdir -p target/package
	@cmp -s "$(TREE).tar.xz.sha256" target/package/built-from || rm -rf target/package/release/.fingerprint/ipvs*
	@cp "$(TREE).tar.xz.sha256" target/package/built-from

# debian/rules and ipvsadm.spec call this: the programs, without paths of this machine.
packaged: rust
	@$(say_without_top)
	RUSTFLAGS="$${RUSTFLAGS:-} --remap-path-prefix=$(CURDIR)=/ipvsadm --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo" \
		$(CARGO) build --locked --release $(FEATURES)

# Debian's cargo may be older than what compiles here: the target `rust` checks it, instead of dpkg.
debian_package = $(PACKAGING) DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage --no-sign --no-check-builddeps

deb: provided dist ## the package for Debian and its relatives, in target/packages
	@cd "$(TREE)" && $(call debian_package) --build=binary >"$(DIST)/deb.log" 2>&1 || { tail -n 30 "$(DIST)/deb.log" >&2; exit 1; }
	install -D -m 644 -t "$(PACKAGES)" "$(DIST)/$(notdir $(DEB))"
	@echo "$(DEB)"

dsc: provided dist ## Debian's source package, in target/packages
	ln -sf "ipvsadm-$(VERSION).tar.xz" "$(DIST)/ipvsadm_$(VERSION).orig.tar.xz"
	@cd "$(TREE)" && $(call debian_package) --build=source >"$(DIST)/dsc.log" 2>&1 || { tail -n 30 "$(DIST)/dsc.log" >&2; exit 1; }
	install -D -m 644 -t "$(PACKAGES)" "$(DIST)"/ipvsadm_$(VERSION)*.{dsc,debian.tar.xz,orig.tar.xz}

rpm: provided dist ## the package for RHEL, Fedora and their relatives, in target/packages
	@$(PACKAGING) rpmbuild -bb --nodeps --noclean --define "_topdir $(DIST)/rpm" --define "_builddir $(DIST)" \
		--define "_sourcedir $(DIST)" --define "_rpmdir $(DIST)/rpm" packaging/ipvsadm.spec >"$(DIST)/rpm.log" 2>&1 || \
		{ tail -n 30 "$(DIST)/rpm.log" >&2; exit 1; }
	install -D -m 644 "$(DIST)/rpm/$$(uname -m)/ipvsadm-$(VERSION)-1"*.rpm "$(RPM)"
	@echo "$(RPM)"

reproducible: provided ## tarball and packages of the last commit, built twice in different directories: the same bytes
	rm -rf target/release-check
	commit=$$(git rev-parse HEAD); \
	for copy in one another/place; do \
		git clone --quiet --no-local --no-checkout . "target/release-check/$$copy"; \
		git -C "target/release-check/$$copy" checkout --quiet "$$commit"; \
		$(MAKE) --no-print-directory -C "target/release-check/$$copy" deb dsc rpm; \
	done
	diff -r target/release-check/one/target/packages target/release-check/another/place/target/packages
	mkdir -p "$(PACKAGES)"
	cp target/release-check/one/target/packages/* "$(PACKAGES)"
	rm -rf target/release-check
	lintian --fail-on error,warning "$(PACKAGES)"/*.dsc
	cd "$(PACKAGES)" && sha256sum -- *

release: ## what a release consists of, from a commit with its tag: source tarball, source package, and both packages
	@! grep -q 'placeholder\.invalid' Cargo.toml || { echo "make release: Cargo.toml has a placeholder for the maintainer or an address" >&2; exit 1; }
	@git describe --exact-match --match 'v$(VERSION)' >/dev/null 2>&1 || { echo "make release: this commit does not have the tag v$(VERSION)" >&2; exit 1; }
	$(MAKE) --no-print-directory reproducible

# Accepts only licences that require no more than their text, no duplicate crate without a reason, and no source other
# than crates.io.
licenses: $(CARGO_DENY) ## checks the licenses, sources and known vulnerabilities of the crates
	"$(CARGO_DENY)" --log-level error check -D unmatched-skip -D license-not-encountered bans licenses sources
	@if timeout 30 git ls-remote --quiet $(ADVISORIES) HEAD >/dev/null 2>&1; then "$(CARGO_DENY)" --log-level error check advisories; \
	else echo "make licenses: $(ADVISORIES) cannot be reached: known vulnerabilities are not checked" >&2; fi

test-boot: provided ## tests the packages in a minimal Debian, and boots it with the unit
	tests/boot/base >/dev/null & $(MAKE) --no-print-directory deb rpm && wait $$!
	rm -rf target/installed
	$(MAKE) --no-print-directory install BUILT="$(CURDIR)/target/package" CARGO=none DESTDIR="$(CURDIR)/target/installed" PREFIX=/usr ZSHDIR=/usr/share/zsh/site-functions >/dev/null
	tests/boot/packages "$(DEB)" "$(RPM)" target/installed
	tests/boot/boot "$(DEB)"

clean: ## removes build results, and the files that tests/provide unpacked
	$(CARGO) clean
	rm -rf target

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf 'make %-16s %s\n' "$$name" "$$text"; done

provided: rust
	@$(if $(findstring reference,$(GROUPS)),$(call say_skipped,will skip))
	tests/provide $(GROUPS)

# Checks the version of Rust first, before anything is installed or built.
rust:
	@needed=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
	found=$$($(CARGO) --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1) || true; \
	[ "$$(printf '%s\n' "$$needed" "$$found" | sort -V | head -n 1)" = "$$needed" ] || { \
		[ -n "$$found" ] && here="cargo here is $$found" || here="there is no cargo on PATH"; \
		echo "This needs Rust $$needed or newer; $$here." >&2; \
		echo "Get it from https://rustup.rs, or as your distribution's packages cargo, rustfmt and clippy where they are recent enough." >&2; \
		exit 1; }
