PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint format constraints clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/latentlab demo

test: setup lint
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pins what is installed now; edit the torch line to use a build for your GPU.
constraints: setup
	$(BIN)/pip freeze --exclude-editable --disable-pip-version-check | sed "s/+cpu//" >> constraints.new; mv constraints.new constraints.txt

clean:
	rm -rf .venv
