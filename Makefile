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
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pins what is installed now, keeping the file's first line.
constraints: setup
	head -n 1 constraints.txt > constraints.new
	$(BIN)/pip freeze --exclude-editable --disable-pip-version-check > constraints.all
	sed 's/+cpu//' constraints.all >> constraints.new
	rm constraints.all
	mv constraints.new constraints.txt

clean:
	rm -rf .venv
