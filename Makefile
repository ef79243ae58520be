# make start        opens the workbook in JupyterLab, installing first what is missing
# make test         installs the same, then runs the tests       (two cores: under 40 minutes)
# make test-quick   the tests that take seconds                  (two cores: under 5 minutes)
# make test-all     with the long forms of attacks, fuzzing and benches
# make lint         what Ruff says of the code and the notebooks, and mypy of the types
# make constraints  writes the versions that are installed now into constraints.txt
#
# PORT=8890         the port JupyterLab listens on
# PYTHON=...        the Python to build .venv from, 3.11 or newer
# TORCH=cpu|cu126|cu130|cu132   PyTorch's own build of torch instead of the one pip finds

PORT ?=
TORCH ?=
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)
# two workers with one torch thread each do more than one worker with two
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --durations 15

.PHONY: start install test test-quick test-all lint constraints

start: install
	@$(BIN)/course doctor || true
	@$(BIN)/course lab $(if $(PORT),--port $(PORT))

install:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one from python.org," \
		"or say where it is: make start PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -I course_utils/install.py $(if $(TORCH),--torch $(TORCH))

test: install
	$(PYTEST) -m "not exhaustive"

test-quick: install
	$(PYTEST) -m "not slow and not exhaustive"

test-all: install
	$(PYTEST)

lint:
	@$(BIN)/python -c "import ruff, mypy" 2>/dev/null || { echo "Ruff and mypy are tools of development:" \
		"$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'"; exit 1; }
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

constraints:
	$(BIN)/python course_utils/install.py --resolve
