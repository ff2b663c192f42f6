# Perigee. `make help` lists the targets. TINY=1 builds with 7-byte blocks, SANITIZE=1 with ASan and UBSan.
CC       ?= gcc
TINY     ?= 0
SANITIZE ?= 0
PREFIX   ?= /usr/local

VARIANT  := $(if $(filter 1,$(TINY)),-tiny)$(if $(filter 1,$(SANITIZE)),-asan)
BUILD    := build$(VARIANT)
PERIGEE  := $(BUILD)/perigee

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wconversion -Wno-sign-conversion
CFLAGS   ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -Icore -I/usr/include/lua5.4
override CFLAGS += -std=gnu11 $(WARNINGS) -fno-strict-aliasing
LDFLAGS  += -rdynamic
LDLIBS   := -llua5.4 -lev -lcares -lcrypto -lm
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

PACKAGES := gcc make pkg-config liblua5.4-dev lua5.4 libev-dev libssl-dev libc-ares-dev lua-busted
STAMP    := build/.deps

.PHONY: all deps run test test-asan lint layers bench fuzz install clean help
.DEFAULT_GOAL := all

all: deps  ## build build/perigee
	@$(MAKE) --no-print-directory -j$$(nproc) $(PERIGEE)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/library.c: $(LIBRARY) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "binding/library.h"'; \
	   i=0; for file in $(LIBRARY); do i=$$((i + 1)); \
	     echo "static const unsigned char file_$$i[] = {"; od -An -v -tu1 $$file | sed 's/[0-9][0-9]*/&,/g'; echo '};'; done; \
	   echo 'const struct library_file library_files[] = {'; \
	   i=0; for file in $(LIBRARY); do i=$$((i + 1)); echo "    {\"$${file#lua/}\", file_$$i, sizeof file_$$i},"; done; \
	   echo '    {0, 0, 0}};'; } > $@

$(PERIGEE): $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

-include $(OBJECTS:.o=.d)
