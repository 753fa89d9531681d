# Two commands for a new user:  make demo  ·  make test.  `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
# make setup GPU=1 installs faiss for CUDA 12 instead of faiss for CPUs. torch includes CUDA 12 in both cases.
LOCK   := requirements/$(if $(GPU),gpu,cpu).lock
READY  := $(VENV)/.ready-$(if $(GPU),gpu,cpu)
RUN    := $(VENV)/bin/
SHARED ?= ../shared/data
# Processes of the test run; each starts its own Neo4j and Redis (about 1.5 GB).
PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench bench-gpu load document lock clean

help:  ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## install the locked versions of everything into .venv

$(READY): $(LOCK) requirements/bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, but $(PYTHON) is older. Name another: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python cannot create virtual environments. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@test -x $(RUN)python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (about 3 GB to download the first time, 8 GB on disk)…"
	@$(RUN)python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(RUN)uv pip sync --quiet --require-hashes $(LOCK)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(RUN)uv pip install --quiet --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.ready-*; touch $@

demo: setup  ## mine, link, train and report on real videos (VIDEOS=DIR: your own folder)
	@$(RUN)transitive demo $(if $(VIDEOS),--videos "$(VIDEOS)")

test: check  ## the same as check

check: setup  ## run what CI runs: format, lint, types, rooms, tests
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	$(RUN)python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

format: setup  ## format the code and sort its imports
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

bench: setup  ## measure each speed claim and its alternative, with the ratio (SHARED=DIR: the real clips)
	$(RUN)python -m tests.benchmarks.mining_tracking $(SHARED)
	$(RUN)python -m tests.benchmarks.mining_follow $(SHARED)/videos
	$(RUN)python -m tests.benchmarks.mining_scenes $(SHARED)
	$(RUN)python -m tests.benchmarks.mining_speed $(SHARED)/videos
	$(RUN)python -m tests.benchmarks.linking_kmeans
	$(RUN)python -m tests.benchmarks.linking_cliques --count 20000
	$(RUN)python -m tests.benchmarks.linking_graph
	$(RUN)python -m tests.benchmarks.linking_import
	$(RUN)python -m tests.benchmarks.linking_clusters
	$(RUN)python -m tests.benchmarks.vector_search --rows 30000
	$(RUN)python -m tests.benchmarks.api_answers
	$(RUN)python -m tests.benchmarks.api_encoding
	$(RUN)python -m tests.benchmarks.training_step
	$(RUN)python -m tests.benchmarks.training_parts
	$(RUN)python -m tests.benchmarks.detection_step $(SHARED)/detection/raccoon_kangaroo --steps 80

bench-gpu: setup  ## the same on a machine with a GPU; writes docs/benchmarks/ (PACK=FILE: real patches; VIDEOS=DIR: NVDEC)
	@$(RUN)python -m tests.benchmarks.gpu $(if $(PACK),--recipe tracking --pack "$(PACK)")
	@$(RUN)python -m tests.benchmarks.linking_gpu
	@$(RUN)python -m tests.benchmarks.training_step --device cuda --width 1 --quadruples 100 --repeats 10
	@$(RUN)python -m tests.benchmarks.training_parts --device cuda --preset h200 $(if $(PACK),--pack "$(PACK)")
	@$(if $(VIDEOS),$(RUN)python -m tests.benchmarks.mining_nvdec "$(VIDEOS)")

load: setup  ## use a stack while its workers are killed, and upload damaged videos (about 15 minutes)
	$(RUN)python -m tests.load.killed_workers --clips $(SHARED)/videos
	$(RUN)python -m tests.load.mutated_uploads --clips $(SHARED)/videos

document: setup  ## check every answer of the API against its OpenAPI document with Schemathesis (a minute)
	COMPLETE=1 $(RUN)python -m pytest -s --timeout 3600 tests/api/http/test_document.py

# torch is pinned to the last release built for CUDA 12, so that faiss-gpu-cu12 and torch share one CUDA.
lock: setup  ## resolve pyproject.toml into new lock files (hashes, no host names)
	@cd requirements && for kind in cpu gpu; do \
	  ../$(RUN)uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
	    --constraint constraints.txt $$([ $$kind = gpu ] && echo "--override gpu-overrides.txt --extra gpu") \
	    ../pyproject.toml --extra demo --extra onnx --group ../pyproject.toml:test --group ../pyproject.toml:check --output-file $$kind.lock; done
	@$(RUN)uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 requirements/bootstrap.in --output-file requirements/bootstrap.lock

clean:  ## remove .venv; the data in .transitive stays
	rm -rf $(VENV)
