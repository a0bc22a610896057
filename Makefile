# Everything a person does with this project. `make demo` and `make test` need Python 3.11 or newer, make and a
# package index; they make .venv and install into it.

REGION    ?= sandbox
DATA_DIR  ?= data
RUNS_DIR  ?= runs
PYTHON    ?= python3
# More options for pip, for example an index with CPU-only builds of torch.
PIP_ARGS  ?=
# Where a recipe of public data takes it from: public, earthengine; empty for what the recipe says.
SOURCE    ?=
# Where `make evaluate` writes its tables as well; those of the full evaluations of two regions stand in docs.
DOCUMENT  ?= $(if $(filter --quick,$(ARGS)),,$(if $(filter sandbox phenocam,$(REGION)),--document docs/results-$(REGION).md))
# More options for the command behind a target, for example ARGS="--workers 8".
ARGS      ?=
# Extras of pyproject.toml that `make setup` installs. Without `train` the tests of the model are left out.
EXTRAS    ?= build,earthengine,stations,parquet,train,onnx,objects,clients,docs,dev

export DATA_DIR RUNS_DIR

VENV   ?= .venv
READY  := $(VENV)/.ready
MMVSF  := $(VENV)/bin/mmvsf

.PHONY: help setup demo dataset pretrain cropmap evaluate report test test-fast test-python stand-ins lint types bench docs \
        clean

help:
	@echo "make demo                     cube, pretraining, crop map and report of the simulated region 'sandbox'"
	@echo "make test                     run all tests, one process per core (ARGS=\"-n 0\": in one process)"
	@echo "make test-fast                run the fast tests: some five minutes on two cores"
	@echo "make test-python PYTHON=...   the same on another Python, in a venv of its own, without the model"
	@echo "make stand-ins                install servers from npm that some tests need and are skipped without"
	@echo "make dataset REGION=<recipe>  build the cube $(DATA_DIR)/<region>.zarr (SOURCE=earthengine: from there)"
	@echo "make pretrain REGION=...      train MM-VSF on that cube"
	@echo "make cropmap REGION=...       map the crops of that region"
	@echo "make evaluate REGION=...      put the claims of the paper to the test (ARGS=--quick: a small trial)"
	@echo "make report REGION=...        write the page $(RUNS_DIR)/<region>/report.html"
	@echo "make docs                     build the documentation as a site, build/site"
	@echo "make setup | lint | types | bench | clean"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	@echo "== installing into $(VENV): a few minutes, and some 2 GB"
	$(VENV)/bin/pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $(READY)

demo: $(READY)
	@echo "== 1 of 5: simulate and build the cube (two minutes on two cores)"
	$(MMVSF) dataset sandbox
	@echo "== 2 of 5: train MM-VSF on it (four minutes)"
	$(MMVSF) pretrain sandbox
	@echo "== 3 of 5: map crops (two minutes)"
	$(MMVSF) cropmap sandbox
	@echo "== 4 of 5: forecast an image twenty days ahead"
	$(MMVSF) forecast sandbox --site norfolk --issued 2022-07-08 --days 2022-07-28
	@echo "== 5 of 5: write the page"
	$(MMVSF) report sandbox
	$(MMVSF) summary sandbox

dataset: $(READY)
	$(MMVSF) dataset "$(REGION)" $(if $(SOURCE),--source $(SOURCE)) $(ARGS)

pretrain cropmap report: $(READY)
	$(MMVSF) $@ "$(REGION)" $(ARGS)

# A simulated region has a control, in which weather moves nothing, and an oracle, which knows the true model.
evaluate: $(READY)
	$(MMVSF) dataset "$(REGION)"
ifeq ($(REGION),sandbox)
	$(MMVSF) dataset sandbox-control
	$(MMVSF) oracle sandbox --years 2022
	$(MMVSF) oracle sandbox-control --years 2022
	$(MMVSF) evaluate sandbox --control sandbox-control $(DOCUMENT) $(ARGS)
else
	$(MMVSF) evaluate "$(REGION)" $(DOCUMENT) $(ARGS)
endif

# A file's tests share what they build, so one worker takes them all; -n and --dist in ARGS override these.
PYTEST := $(VENV)/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# The packages of the tests of the JavaScript reader; without npm these tests are skipped.
NODE_READY := tests/javascript/node_modules/.ready

$(NODE_READY): tests/javascript/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/javascript && touch $@; fi

test: $(READY) $(NODE_READY)
	$(PYTEST) $(ARGS)

test-fast: $(READY)
	$(PYTEST) -m "not slow" $(ARGS)

# For example: make test-python PYTHON=python3.13
test-python:
	$(MAKE) test-fast VENV=.venv-$(notdir $(PYTHON)) EXTRAS=build,earthengine,stations,objects,dev

# Servers that some tests start and pip has not; they need Node. Without them those tests are skipped.
stand-ins:
	npm install --prefix $(VENV)/node --no-package-lock --no-audit --no-fund --silent azurite@3.37.0 fauxqs@1.9.2

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# The folders install as mmvsf.*, so mypy looks at an installed copy.
types: $(READY)
	rm -rf build
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target build/typed .
	MYPYPATH=build/typed $(VENV)/bin/mypy -p mmvsf

bench: $(READY)
	$(VENV)/bin/python -m tests.bench $(ARGS)

docs: $(READY)
	$(VENV)/bin/python docs/build.py

clean:
	rm -rf build dist *.egg-info .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
