# Every target makes what it needs by itself: .venv by uv where it is installed, else by python3 -m venv.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo test check bench soak clean

demo: $(VENV)/.ready
	$(BIN)/outlast demo $(ARGS)

test: $(VENV)/.ready
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready
	$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.ready
	$(BIN)/python -m tests.soak $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.ready: pyproject.toml
	if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing $(VENV) && uv pip install --quiet --python $(BIN)/python -e ".[dev]"; \
	else \
		$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet -e ".[dev]"; \
	fi
	touch $@
