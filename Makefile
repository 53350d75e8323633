# Everything a newcomer needs; each target sets up what it uses.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check bench browser lint types clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/python -m bench demo $(if $(ONCE),--once)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

browser:
	@sh tests/browser/install-chromium.sh

# What runs in real time has the machine to itself; the rest shares its cores.
REAL_TIME := tests/end_to_end tests/browser
test: setup browser
	$(BIN)/python -m pytest -n 2 $(addprefix --ignore ,$(REAL_TIME))
	$(BIN)/python -m pytest $(REAL_TIME)

check: lint types test

bench: setup
	$(BIN)/python -m bench all --directory bench/results

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
