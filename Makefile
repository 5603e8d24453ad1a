# make demo   a virtual environment, the install, a bundle from the packaged checkpoint, pictures
# make test   every check: lint, types, layers, tests, the Android demo's, INT8 on Arm, LiteRT's GPU delegate
#             (JDK 17, npm, Debian-like)
# make test-python   the same without the Android demo
# make docs   the site of README, DESIGN.md and docs/ in dist/site; a link that leads nowhere ends it
# make fuzz   damaged inputs over every reader for MINUTES=5, or CASES=10000 of them; SEED=2 for others
# PYTHON=python3.12 make test   takes another interpreter (3.11 or later)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PINS   := pyproject.toml constraints.txt
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt

# A file of tests per processor, one thread each.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

BUNDLE   := dist/demo
PICTURES := dist/demo-pictures
CONTENTS := skimage:astronaut.png skimage:chelsea.png skimage:coffee.png skimage:rocket.jpg
STYLES   := cafe red-cascade pointillist-park court-robes blue-portrait green-room

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-python docs fuzz android-tools gpu-driver metadata-reader browser lint clean

help:
	@sed -n '/^# /!q; s/^# //p' Makefile

demo: $(VENV)/.installed-build
	$(BIN)/iast-export build --out $(BUNDLE)
	$(BIN)/iast-export stylize $(BUNDLE) $(CONTENTS:%=--content %) $(STYLES:%=--style %) --out $(PICTURES)

test: lint android-tools gpu-driver metadata-reader browser
	$(TESTS)

test-python: lint gpu-driver metadata-reader browser
	$(TESTS) --ignore=tests/android

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build

fuzz: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.trust.fuzz --seed $(or $(SEED),1) --shrink \
	  $(if $(CASES),--cases $(CASES),--minutes $(or $(MINUTES),5))

android-tools: | $(BIN)/python
	$(BIN)/python android_demo/tools/install.py
	$(BIN)/python android_demo/tools/install_arm.py

browser: | $(BIN)/python
	$(BIN)/python android_demo/tools/install_browser.py

gpu-driver: | $(BIN)/python
	$(BIN)/python android_demo/tools/install_gpu.py

metadata-reader: | $(BIN)/python
	$(BIN)/python android_demo/tools/install_metadata.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) dist build android_demo/.tools* android_demo/.arm android_demo/.gpu android_demo/.browser* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed, as $(PYTHON); try PYTHON=python3.12 make ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-build: $(PINS) | $(BIN)/python
	$(PIP) -e '.[build]'
	touch $@

$(VENV)/.installed-dev: $(PINS) | $(BIN)/python
	$(PIP) -e '.[build,dev]'
	touch $(VENV)/.installed-build $@

$(VENV)/.installed-docs: $(PINS) | $(BIN)/python
	$(PIP) -e '.[docs]'
	touch $@
