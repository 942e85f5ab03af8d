# Every target makes what it needs by itself: .venv by uv where it is installed, else by python3 -m venv.
VENV := .venv
PEERS := .venv-peers
SUITES := .venv-suites
PYTHON ?=
BIN := $(VENV)/bin
PYTHONS := 3.11 3.12 3.13 3.14
# Tests wait for processes, so that one more than a small machine has cores pays; with many more the processes of each only
# stand in line, and what has to be in time is late. WORKERS=0 runs one after another.
WORKERS ?= 3
# Each worker of pytest-xdist collects all tests: only the first time it has to compile them.
# Each takes a part in which tests of one file stay together, as they share servers, and then from whoever has most left.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
ARGS ?=

.PHONY: demo compiled test test-slow test-all test-pythons $(PYTHONS:%=test-python%) check bench soak fuzz matrix peers-suites browser screenshots clean

demo: $(VENV)/.ready
	$(BIN)/outlast demo $(ARGS)

test: compiled
	$(PYTEST) $(ARGS)

# What needs minutes: every kind of server beside every way to end it, storms of kills.
test-slow: compiled
	$(PYTEST) -m slow --timeout 1200 $(ARGS)

test-all: test test-slow

# Tests start processes by the hundred: where Python is told to write no bytecode, each would compile the package.
compiled: $(VENV)/.ready
	$(BIN)/python -m compileall -q src

test-pythons: $(PYTHONS:%=test-python%)

# One after another, each with an environment of its own: .venv-3.12 and so on.
$(PYTHONS:%=test-python%): test-python%:
	@if python=$$(.ci/python $*); then \
		$(MAKE) VENV=.venv-$* PYTHON=$$python test; \
	else \
		echo "Python $* is not installed here: skipped"; \
	fi

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What the tests in a browser need, which are slow ones; without it they are skipped.
browser: $(VENV)/.ready
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y --no-install-recommends chromium; } \
		|| echo "the tests in a browser need a command chromium: install it as this system does"
	if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(BIN)/python playwright; \
		else $(BIN)/python -m pip install --quiet playwright; fi \
		|| echo "without playwright the tests in a browser are skipped"
	mkdir -p .axe && cd .axe && npm pack --silent axe-core@4.14.1 && tar xf axe-core-4.14.1.tgz \
		|| echo "without npm the test with axe-core is skipped"

# The pictures of README and docs/, of the real demo and of the walk in README.
screenshots: browser
	$(BIN)/python -m tests.board.screenshots

bench: $(VENV)/.ready
	$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.ready
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(VENV)/.ready
	$(BIN)/python -m tests.fuzz $(ARGS)

matrix: $(VENV)/.ready $(PEERS)/.ready
	$(BIN)/python -m tests.matrix --python $(PEERS)/bin/python $(ARGS)

peers-suites: $(VENV)/.ready $(SUITES)/.ready
	$(BIN)/python -m tests.suites --python $(CURDIR)/$(SUITES)/bin/python $(ARGS)

clean:
	rm -rf $(VENV) $(PEERS) $(SUITES) .axe $(PYTHONS:%=.venv-%) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.ready: pyproject.toml
	if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing $(PYTHON:%=--python %) $(VENV) && uv pip install --quiet --compile-bytecode --python $(BIN)/python -e ".[dev]"; \
	else \
		$(or $(PYTHON),python3) -m venv $(VENV) && $(BIN)/python -m pip install --quiet -e ".[dev]"; \
	fi
	touch $@

# What the kill matrix compares, in one environment, so that all have the same server under them.
$(PEERS)/.ready: pyproject.toml tests/matrix/peers.txt
	if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing $(PEERS) && uv pip install --quiet --compile-bytecode --python $(PEERS)/bin/python -e ".[demo]" -r tests/matrix/peers.txt; \
	else \
		$(or $(PYTHON),python3) -m venv $(PEERS) && $(PEERS)/bin/python -m pip install --quiet -e ".[demo]" -r tests/matrix/peers.txt; \
	fi
	touch $@

# The test suites of Starlette and FastAPI, of one release each, with what they need.
$(SUITES)/.ready: pyproject.toml tests/suites/requirements.txt
	if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --seed --allow-existing $(SUITES) && uv pip install --quiet --compile-bytecode --python $(SUITES)/bin/python -e ".[demo]" -r tests/suites/requirements.txt; \
	else \
		$(or $(PYTHON),python3) -m venv $(SUITES) && $(SUITES)/bin/python -m pip install --quiet -e ".[demo]" -r tests/suites/requirements.txt; \
	fi
	touch $@
