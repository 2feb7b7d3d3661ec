# mmwsss: `make help` lists the targets. GNU make >= 4, bash, Linux.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# --- what can be set: `make env VENV=/path PYTHON=/path/to/python3.12` --------
# another PyTorch than the pinned one, in an environment of its own: TORCH=2.7.0
TORCH ?=
VENV ?= .venv$(addprefix -torch-,$(TORCH))
# empty: the first of python3.11, python3.12, python3 that runs and is 3.11/3.12
PYTHON ?=
# where built mmcv wheels are kept, one folder per torch, Python and platform
MMWSSS_WHEELS ?= $(or $(addsuffix /mmwsss/wheels,$(XDG_CACHE_HOME)),$(addsuffix \
    /.cache/mmwsss/wheels,$(HOME)),.wheels)
# auto (CUDA operators where a GPU and nvcc are there), cuda or cpu; also for ours
MMCV_OPS ?= auto
# processes that share the tests
TEST_WORKERS ?= 2
# more arguments for pytest: make test ARGS='tests/cam -k fuse'
ARGS ?=
# how much of mmwsss the whole suite runs, printed at its end, with a floor that is
# set in pyproject.toml; `make test COVERAGE=` is faster
COVERAGE ?= $(if $(ARGS),,--cov --cov-report=)
DEMO_ARGS ?=

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
PIN := --constraint requirements/constraints.txt
CONSTRAINTS := $(if $(TORCH),$(VENV)/constraints.txt,requirements/constraints.txt)
STAMP := $(VENV)/.mmwsss
export MMWSSS_WHEELS
# where coverage is gathered: no file of it in the source tree
export COVERAGE_FILE := $(abspath $(VENV))/coverage

.PHONY: help env test test-slow test-all lint fix docs doctor demo wheel clean

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	    while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: env  ## install, draw the Shapes data set, train, test, show a picture
	$(PY) demo/run_demo.py $(DEMO_ARGS)

test: env  ## the test suite (GPU tests where there is a GPU)
	$(PYTEST) $(COVERAGE) -m 'not slow' $(ARGS)

test-slow: env  ## the long tests: package builds, training runs
	$(PYTEST) -m slow $(ARGS)

test-all: env  ## both
	$(PYTEST) $(ARGS)

# One thread per process: the processes share the cores already.
PYTEST = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PY) -m pytest -q \
    -n $(TEST_WORKERS) --dist loadfile --durations=10

lint: env  ## ruff and mypy, without changing anything
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

fix: env  ## ruff, with the changes that it can make by itself; metafiles, tables and model index
	$(PY) -m ruff check --fix .
	$(PY) tools/misc/update_metafiles.py
	$(PY) tools/misc/update_model_index.py
	$(PY) -m ruff format .

docs: $(STAMP)-docs  ## the documentation as a site in site/; a broken link is an error
	$(PY) -m sphinx -q -W --keep-going -j auto -c docs -d '$(VENV)/doctrees' . site
	@echo 'Open site/index.html.'

doctor: env  ## what is installed, what is wrong with it and how to put it right
	$(PY) -m mmwsss.env.doctor

env: $(STAMP)-done  ## create .venv and install everything pinned (reused)
	@echo 'The environment is in $(VENV).'

OPS := $(shell find mmwsss/ops/csrc -type f) mmwsss/ops/_build.py
BUILD_ENV = $(if $(filter cuda,$(MMCV_OPS)),FORCE_CUDA=1) \
    $(if $(filter cpu,$(MMCV_OPS)),FORCE_CUDA=0 CUDA_VISIBLE_DEVICES=)

wheel: env  ## a wheel with compiled operators, in a folder for this torch
	@folder=$$($(PY) tools/misc/install_mmcv.py --ops $(MMCV_OPS) \
	    --wheels '$(MMWSSS_WHEELS)' --show-folder); \
	    MMWSSS_WITH_OPS=1 $(BUILD_ENV) $(PIP) wheel --no-deps --no-build-isolation \
	    --no-cache-dir --wheel-dir "$$folder" . && ls "$$folder"/mmwsss-*.whl

# --- the environment, step by step; each step leaves a stamp ------------------
$(STAMP)-venv: requirements/build.txt
	@echo '== 1/5 virtual environment in $(VENV)'
	@python=$$(tools/misc/check_machine.sh '$(PYTHON)'); \
	    $(PY) -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear '$(VENV)'
	$(PIP) install --upgrade $(PIN) pip -r requirements/build.txt
	@touch $@

# `make env TORCH=...`: the pins without those of PyTorch; torchvision follows torch
$(VENV)/constraints.txt: requirements/constraints.txt | $(STAMP)-venv
	@{ grep -vE '^(torch|torchvision|triton|cuda-[a-z]+)==' $<; echo 'torch==$(TORCH)'; } >$@

$(STAMP)-torch: $(STAMP)-venv $(CONSTRAINTS)
	@echo '== 2/5 PyTorch (3 GB to download the first time)'
	$(PIP) install --constraint $(CONSTRAINTS) torch torchvision
	@touch $@

$(STAMP)-mmcv: $(STAMP)-torch requirements/mminstall.txt tools/misc/install_mmcv.py
	@echo '== 3/5 mmcv, compiled against that PyTorch (6 minutes on 2 cores, once)'
	$(PY) tools/misc/install_mmcv.py --ops $(MMCV_OPS) --wheels '$(MMWSSS_WHEELS)'
	@touch $@

# ONNX is tried with the pinned PyTorch: with another one its tests are skipped
EXTRAS := requirements/demo.txt $(if $(TORCH),,requirements/deploy.txt)

$(STAMP)-deps: $(STAMP)-mmcv requirements/runtime.txt requirements/tests.txt $(EXTRAS)
	@echo '== 4/5 the rest'
	$(PIP) install --no-build-isolation --constraint $(CONSTRAINTS) \
	    -r requirements/runtime.txt -r requirements/tests.txt $(addprefix -r ,$(EXTRAS))
	@tools/misc/fix_opencv.sh $(PY)
	@touch $@

$(STAMP)-done: $(STAMP)-deps setup.py pyproject.toml model-index.yml $(OPS)
	@echo '== 5/5 mmwsss, editable, its operators compiled (minutes)'
	$(BUILD_ENV) $(PIP) install --no-build-isolation --no-deps -e .
	$(PY) -m mmwsss.env.doctor
	@touch $@

$(STAMP)-docs: $(STAMP)-venv requirements/docs.txt
	$(PIP) install $(PIN) -r requirements/docs.txt
	@touch $@

clean:  ## remove .venv and build products (not data, runs or the wheel folder)
	rm -rf '$(VENV)' build dist site mmwsss.egg-info .mim mmwsss/.mim mmwsss/_ext* \
	    .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
