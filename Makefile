# make demo   everything from a fresh clone to the demo's report
# make test   everything from a fresh clone to the tests' verdict
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
REQUIREMENTS := $(filter-out requirements/bench%,$(wildcard requirements/*.txt))
CPP := $(shell find csrc tests -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh')
BUILD_INPUTS := setup.py pyproject.toml $(shell find csrc -type f)

.PHONY: help missing env build demo test test-full lint format bars bench peers docs wheel check-wheel clean

help:
	@echo "make demo         build, and run a real pretrained network on torchconv against torch"
	@echo "make test         build, lint and test; test-full runs every cell and the long fuzz"
	@echo "make build        the extensions alone, in place"
	@echo "make lint         style, types and file sizes; format mends what it can"
	@echo "make bars         the benchmarks that benchmarks/bars.toml names, against their bars"
	@echo "make bench        the whole suite as a page, benchmarks/results/bench.html: takes an hour or two"
	@echo "make peers        installs the other libraries that bench compares with: ONNX Runtime, OpenVINO, ncnn"
	@echo "make docs         the documentation, as pages to read in build/site/index.html"
	@echo "make wheel        a wheel in dist/; check-wheel runs it under an older torch"
	@echo "make clean        removes what was built, but not the environment"

# The checkout is put on the environment's path by a .pth file: an editable install would compile everything again.
$(VENV)/ready: $(REQUIREMENTS)
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check $(foreach f,build demo dev docs,-r requirements/$(f).txt)
	$(PY) -m pip install -q --disable-pip-version-check --no-deps -r requirements/demo-no-deps.txt
	$(PY) -c "import pathlib, site; pathlib.Path(site.getsitepackages()[0], 'torchconv.pth').write_text('$(CURDIR)\n')"
	touch $@

# setup.py prints every compiler command; they are shown only if one fails.
build/ready: $(VENV)/ready $(BUILD_INPUTS) $(if $(wildcard torchconv/_C*.so),,missing)
	mkdir -p build
	$(PY) setup.py build_ext --inplace > build/log.txt 2>&1 || { cat build/log.txt; exit 1; }
	touch $@

env: $(VENV)/ready
build: build/ready

demo: build
	$(PY) -m torchconv info
	$(PY) -m torchconv demo

test: build lint
	$(PY) -m pytest -q

test-full: build lint
	$(PY) -m pytest -q --full

lint: build
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(BIN)/mypy
	$(PY) tools/check_sizes.py

format: env
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CPP)

bars: build
	$(PY) benchmarks/bars.py

bench: build
	$(PY) benchmarks/suite.py

peers: env
	$(PY) -m pip install -q --disable-pip-version-check -r requirements/bench.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-deps -r requirements/bench-no-deps.txt

# -W: a broken link, a missing docstring and every other warning is an error.
docs: build
	$(PY) -m sphinx -q -W --keep-going -b html docs build/site
	@echo "build/site/index.html"

# build/lib.* first: setuptools would also pack files there that the sources no longer have.
wheel: env
	rm -rf build/lib.*
	$(PY) -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist .

check-wheel: env
	tools/check_wheel.sh

clean:
	rm -rf build dist *.egg-info torchconv/*.so torchconv/_build.py
