# lnkeep. `make` alone lists the targets.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI := $(shell sed -n 's/^const ABI_VERSION: u32 = \([0-9]*\);/\1/p' src/build.rs)

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
CC = gcc
CFLAGS ?= -O2 -g

CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
ARCHIVE = build/lib/liblnkeep.a
SHARED = build/lib/liblnkeep.so.$(VERSION)
SOURCES := Cargo.toml $(wildcard Cargo.lock) $(shell find src -name '*.rs')

.PHONY: help build demo test bench torture torture-qemu soak mutants coverage header lint install clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo      small nodes are killed again and again; shows that nothing is lost or repeated'
	@echo 'make test      everything: C, Rust, conformance vectors, installed tree, Go, demo'
	@echo 'make build     build/lib and build/demo'
	@echo 'make bench     comparison tables'
	@echo 'make torture   the fault harnesses but soak and qemu, an hour and more; sh torture/run.sh --resume'
	@echo 'make torture-qemu   every flush of a disk, in an emulated machine'
	@echo 'make soak      an hour of load with kills; the store is kept'
	@echo 'make mutants   whether the tests notice changes; make coverage: what they come by'
	@echo 'make lint      formatting, clippy, gofmt, vet'
	@echo 'make header    regenerate include/lnkeep.h and the list of exported symbols'
	@echo 'make install   PREFIX=/usr/local LIBDIR=$$PREFIX/lib DESTDIR='
	@echo 'make clean     remove target and build'

build: $(ARCHIVE) demo-programs

# Copied at once: test builds write to the same names under target, with fault hooks compiled in.
$(ARCHIVE): $(SOURCES) tests/archive.sh
	cargo build --release --locked
	@mkdir -p build/lib
	@rm -f build/lib/liblnkeep.*
	sh tests/archive.sh $(CARGO_TARGET_DIR)/release/liblnkeep.a $@.part
	cp $(CARGO_TARGET_DIR)/release/liblnkeep.so $(SHARED)
	ln -s liblnkeep.so.$(VERSION) build/lib/liblnkeep.so.$(ABI)
	ln -s liblnkeep.so.$(ABI) build/lib/liblnkeep.so
	sh tests/native_libs.sh > build/lib/native-libs
	mv $@.part $@

# An example with main() is a program; the files without it are parts that all programs share.
EXAMPLES := $(wildcard examples/c/*.c)
PROGRAMS := $(if $(EXAMPLES),$(shell grep -lw '^int main' $(EXAMPLES)))
PARTS := $(filter-out $(PROGRAMS),$(EXAMPLES))
DEMOS := $(PROGRAMS:examples/c/%.c=build/demo/%) build/demo/restore
# What examples/restore takes of the other demos.
RESTORE_PARTS := $(addprefix examples/c/, \
    channels.c frames.c outcome.c peers_common.c place.c provider.c rows.c sha256.c)
STRICT = -std=c11 -Wall -Wextra -Wpedantic -Werror

.PHONY: demo-programs
demo-programs: $(DEMOS)

build/demo/%: examples/c/%.c $(PARTS) $(wildcard examples/c/*.h) include/lnkeep.h $(ARCHIVE)
	@mkdir -p build/demo
	$(CC) $(STRICT) $(CFLAGS) -Iinclude -pthread -o $@ $< $(PARTS) $(ARCHIVE) \
	    $$(cat build/lib/native-libs)

build/demo/restore: $(wildcard examples/restore/*.[ch]) $(RESTORE_PARTS) $(wildcard examples/c/*.h) \
    include/lnkeep.h $(ARCHIVE)
	@mkdir -p build/demo
	$(CC) $(STRICT) $(CFLAGS) -Iinclude -Iexamples/c -pthread -o $@ $(filter %.c,$^) $(ARCHIVE) \
	    $$(cat build/lib/native-libs)

demo: build/demo/node build/demo/peers build/demo/restore
	@echo 'A node in C:'
	@build/demo/node
	@printf '\nTwo nodes in C, one keeping data for the other:\n'
	@build/demo/peers
	@printf '\nA node in C that has lost everything, and ten peers:\n'
	@build/demo/restore
	@printf '\nA node in Go, with the messages of lnd:\n'
	@status=0; sh examples/go/build.sh || status=$$?; \
	case $$status in \
	0) build/demo/go-node ;; \
	3) echo 'SKIPPED: the demo in Go, for the reason above' ;; \
	*) exit $$status ;; \
	esac

# Each of the Rust tests' programs would be linked with LTO, for minutes: the library that is shipped has it,
# and is what C and Go test.
QUICK_LINK = CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0

# --- Tests. Each runner ends with a line `name: N passed, N failed, N skipped`; all of them run
# even when one fails, and the last lines say which did. Two lanes run side by side: what builds with cargo in
# one, so that nobody waits for its locks; torture uses an archive that the sanitizers build.

LANE_C = test-c test-sanitizers test-torture
LANE_CARGO = test-rust test-conformance test-jamming test-fuzz test-ldk test-hosts test-go test-lnd \
             test-demo test-peers-demo test-restore-demo test-import test-go-demo test-sanitizers-host \
             test-symbols test-link test-install test-readme test-documents
.PHONY: $(LANE_C) $(LANE_CARGO)

test: build
	@sh tests/all.sh '$(LANE_C)' '$(LANE_CARGO)'

test-c: $(ARCHIVE)
	@sh c-tests/run.sh

test-symbols: $(ARCHIVE)
	@sh tests/symbols_test.sh

test-link: $(ARCHIVE)
	@sh tests/link_test.sh

test-install: $(ARCHIVE)
	@sh tests/install_test.sh

test-readme: $(ARCHIVE)
	@sh tests/readme_test.sh

# The Python of docs/backup-format.md, and the C of docs/backup.md and docs/peer-storage.md.
test-documents: $(ARCHIVE)
	@sh tests/documents_test.sh

test-rust:
	@$(QUICK_LINK) sh tests/rust_test.sh

# As the other Rust tests, so that what they built is used again.
test-conformance:
	$(QUICK_LINK) cargo test --release --locked --test conformance -- --nocapture

test-go: $(ARCHIVE)
	@sh tests/go_test.sh

# Status 3: this machine cannot reach the modules; the runner said so.
test-lnd: $(ARCHIVE)
	@sh go-bindings/lnd/test.sh || [ $$? -eq 3 ]

# Status 3: this machine cannot reach the crates; the runner said so.
test-ldk:
	@sh examples/ldk/test.sh || [ $$? -eq 3 ]

# Hosts that are not LDK: one that commits after each event, and one with many links and a committer.
test-hosts: $(ARCHIVE)
	@sh tests/hosts_test.sh

# A network under every known attack, against no protection, the reference's rules and ours.
test-jamming:
	@$(QUICK_LINK) sh examples/jamming/test.sh

test-demo: build
	@sh tests/demo_test.sh

test-peers-demo: build
	@sh tests/peers_demo_test.sh

test-import: build
	@sh tests/import_test.sh

test-restore-demo: build
	@sh tests/restore_demo_test.sh

test-go-demo: $(ARCHIVE)
	@sh tests/go_demo_test.sh

test-sanitizers: $(ARCHIVE)
	@sh tests/sanitizers_test.sh clang thread

# Of the host's C alone, beside the archive as it is released.
test-sanitizers-host: $(ARCHIVE)
	@sh tests/sanitizers_test.sh gcc

test-torture: $(ARCHIVE)
	@$(QUICK_LINK) sh tests/torture_test.sh

# Whatever reads a peer's bytes, guided by coverage: shortly here, for as long as one likes by hand.
test-fuzz:
	@LNKEEP_FUZZ_SECS=$${LNKEEP_FUZZ_SECS:-10} sh tests/fuzz_test.sh

bench: build
	@sh benches/run.sh

torture: $(ARCHIVE)
	@$(QUICK_LINK) sh torture/run.sh

# Not part of torture: it fetches a kernel and emulates a machine that runs it.
torture-qemu: $(ARCHIVE)
	@sh torture/run.sh qemu

soak: $(ARCHIVE)
	@sh torture/run.sh soak

# Status 77: this machine cannot build the tool; the runner said so.
mutants:
	@sh torture/mutants/run.sh || [ $$? -eq 77 ]

coverage:
	@sh tests/coverage.sh

header:
	LNKEEP_WRITE_HEADER=1 cargo test --quiet --locked --test header the_committed_header
	LNKEEP_WRITE_SYMBOLS=1 sh tests/symbols_test.sh

lint:
	@sh tests/lint.sh

# `make && sudo make install` does not build again as root.
install: $(ARCHIVE)
	install -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(PREFIX)/include'
	install -m 644 include/lnkeep.h '$(DESTDIR)$(PREFIX)/include/lnkeep.h'
	strip --strip-unneeded -o build/lib/stripped.so $(SHARED)
	install -m 755 build/lib/stripped.so '$(DESTDIR)$(LIBDIR)/liblnkeep.so.$(VERSION)'
	ln -sf liblnkeep.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/liblnkeep.so.$(ABI)'
	ln -sf liblnkeep.so.$(ABI) '$(DESTDIR)$(LIBDIR)/liblnkeep.so'
	objcopy --strip-debug $(ARCHIVE) build/lib/stripped.a
	install -m 644 build/lib/stripped.a '$(DESTDIR)$(LIBDIR)/liblnkeep.a'
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e "s|@NATIVE_LIBS@|$$(cat build/lib/native-libs)|" lnkeep.pc.in > build/lib/lnkeep.pc
	install -m 644 build/lib/lnkeep.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/lnkeep.pc'
	@rm -f build/lib/stripped.so build/lib/stripped.a build/lib/lnkeep.pc

clean:
	cargo clean
	rm -rf build
