# `make help` lists the targets: it prints what follows ## after a target's name.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
LIBRARY := runtime/linnet/liblinnet.so
DIGITS := examples/digits
ASAN := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

-include kernels_c/sources.mk
C_SOURCES := $(addprefix kernels_c/,$(LNT_SOURCES) $(LNT_HOST_SOURCES))
C_HEADERS := $(shell find kernels_c -name '*.h')
C_FORMATTED = $(shell find kernels_c tests/c tools examples boards -name '*.[ch]' 2>/dev/null)
PY_TYPED := $(wildcard runtime/linnet converter/linnet_converter boards/linnet_boards build_support tools tests setup.py)

# With REQUIRE_TOOLS=1 a missing analyser or compiler fails lint and size; REQUIRE_EMULATORS=1 does that for test.
REQUIRE := $(if $(REQUIRE_TOOLS),--require)
ifdef REQUIRE_EMULATORS
export LINNET_REQUIRE_EMULATORS := $(REQUIRE_EMULATORS)
endif

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(STAMP) $(LIBRARY) ## create .venv with Linnet and everything that development needs

# Without a C compiler, the one from PyPI goes into .venv too: the library is recompiled here and the tests compile.
$(STAMP): pyproject.toml setup.py $(wildcard build_support/*.py)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Linnet needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.11 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$($(BIN)/python build_support/linnet_clib.py --requirements) --editable '.[convert,dev]'
	@touch $@

$(LIBRARY): $(C_SOURCES) $(C_HEADERS) kernels_c/sources.mk build_support/linnet_clib.py | $(STAMP)
	$(BIN)/python build_support/linnet_clib.py $@

.PHONY: demo
demo: setup ## convert, inspect, validate and run the shipped network
	@mkdir -p build
	$(BIN)/linnet convert $(DIGITS)/digits.onnx -o build/digits.lnt --calibrate $(DIGITS)/calibration --preprocess torch --labels $(DIGITS)/labels.txt
	$(BIN)/linnet inspect build/digits.lnt
	$(BIN)/linnet validate build/digits.lnt --against $(DIGITS)/digits.onnx --images $(DIGITS)/test --labels-csv $(DIGITS)/test/labels.csv
	$(BIN)/linnet run build/digits.lnt $(wordlist 1,4,$(sort $(wildcard $(DIGITS)/test/*.png)))

.PHONY: test
test: setup ## run the tests; PYTEST_FLAGS="-k name", REQUIRE_EMULATORS=1, LINNET_ASSETS=folder
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_FLAGS)

.PHONY: lint lint-python lint-types lint-c
lint: lint-python lint-types lint-c ## check style, types and C (-k: all of them even if one complains)

lint-python: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-types: setup
	$(BIN)/mypy $(PY_TYPED)

lint-c: setup
	$(BIN)/python tools/format_codegen.py --check
	$(BIN)/clang-format --dry-run -Werror $(C_FORMATTED)
	$(BIN)/python tools/lint_c.py $(REQUIRE)

.PHONY: format
format: setup ## regenerate the format's mirrors, then format Python and C
	$(BIN)/python tools/format_codegen.py
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FORMATTED)

.PHONY: size
size: setup ## code size of the C library per processor; SIZE_FLAGS=--update rewrites docs/size.md
	@$(BIN)/python tools/size.py $(REQUIRE) $(SIZE_FLAGS)

.PHONY: bench
bench: setup ## time MobileNetV2 on this machine, beside other runtimes, and under all plans
	@$(BIN)/python tools/bench.py --plans $(BENCH_FLAGS)

.PHONY: test-best
test-best: setup ## test what needs torch, which is installed into .venv: --quality best and --rounding adaround
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[best]'
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/test_reconstruct.py tests/test_corrections.py $(PYTEST_FLAGS)

.PHONY: mutate
mutate: setup ## break the code in known places, one at a time, and see that a test notices
	$(BIN)/python tests/mutate.py

# The processor of BOARD, which must have Linux; empty without BOARD.
TARGET = $(if $(BOARD),$(or $(shell $(BIN)/python build_support/linnet_cross.py --board $(BOARD) --name),$(error BOARD=$(BOARD))))
PROGRAMS := $(foreach target,aarch64 armv7 armv6,build/$(target)/linnet-run)

.PHONY: lib programs
lib: setup ## liblinnet.so and linnet-run for BOARD=rpi4 (`linnet boards`), in build/TARGET
	$(BIN)/python build_support/linnet_cross.py --target $(TARGET) --library build/$(TARGET)/liblinnet.so --program build/$(TARGET)/linnet-run

programs: $(PROGRAMS) ## linnet-run for all boards with Linux: `linnet deploy` copies them, `make wheel` packs them

build/%/linnet-run: $(C_SOURCES) $(C_HEADERS) $(wildcard boards/linnet_run/*) build_support/linnet_cross.py | setup
	$(BIN)/python build_support/linnet_cross.py --target $* --program $@

.PHONY: wheel
wheel: setup ## build dist/linnet-*-py3-none-*.whl, for this machine or for BOARD=rpi4
	LINNET_TARGET=$(TARGET) $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

.PHONY: sanitize
sanitize: $(patsubst tests/c/%.c,build/sanitize/%,$(wildcard tests/c/*.c)) build/sanitize/check_kernels ## compile tests/c with the address and undefined behaviour sanitizers

build/sanitize/%: tests/c/%.c $(C_SOURCES) $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) -std=c11 -Wall -Wextra $(ASAN) -pthread -Ikernels_c/include -Ikernels_c/src -o $@ $< $(C_SOURCES)

CHECK_SOURCES := $(wildcard tests/c/kernels/*.c) $(addprefix kernels_c/,$(LNT_SOURCES))
CHECK_HEADERS := $(wildcard tests/c/kernels/*.h)

.PHONY: kernels
kernels: build/check_kernels ## compare every kernel with the portable ones; CHECK_FLAGS="--kernel NAME"
	build/check_kernels $(CHECK_FLAGS)

build/check_kernels: $(CHECK_SOURCES) $(CHECK_HEADERS) $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) -std=c11 -Wall -Wextra -O2 -g -Ikernels_c/include -Ikernels_c/src -o $@ $(CHECK_SOURCES)

build/sanitize/check_kernels: $(CHECK_SOURCES) $(CHECK_HEADERS) $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) -std=c11 -Wall -Wextra $(ASAN) -Ikernels_c/include -Ikernels_c/src -o $@ $(CHECK_SOURCES)

.PHONY: clean
clean: ## remove everything that was built, and .venv
	rm -rf .venv build dist linnet.egg-info .mypy_cache .pytest_cache .ruff_cache $(LIBRARY)
	find . -name __pycache__ -prune -exec rm -rf {} +
