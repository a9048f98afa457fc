PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export MENAGERIE_ROOT ?= $(wildcard $(abspath ../shared/menagerie))

.PHONY: demo test check wheel clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed  ## check the bundled example dataset, write out/demo/report.html
	$(BIN)/simcheck demo --out out/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

check: $(VENV)/.installed
	$(BIN)/ruff format --check simcheck tests examples tools benchmarks
	$(BIN)/ruff check simcheck tests examples tools benchmarks
	$(BIN)/pyright

wheel: $(VENV)/.installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf out build dist $(VENV)
