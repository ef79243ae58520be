# `make help` lists the targets: the text after each one's ##. Settings:
#
# PORT=8890         the port JupyterLab listens on
# PYTHON=...        the Python to build .venv from, 3.11 or newer
# TORCH=cpu|cu126|cu130|cu132   PyTorch's own build of torch instead of the one pip finds

PORT ?=
TORCH ?=
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)

.PHONY: start fetch install help

start: install fetch ## open the workbook in JupyterLab, installing first what is missing
	@$(BIN)/course doctor || true
	@$(BIN)/course lab $(if $(PORT),--port $(PORT))

fetch: install ## bring the real encoder and sentences that some lessons end with, if there is a network
	@$(BIN)/course fetch || true

install: ## only install what is missing
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one from python.org," \
		"or say where it is: make start PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -I course_utils/install.py $(if $(TORCH),--torch $(TORCH)) $(if $(EXTRAS),--extras $(EXTRAS))

help: ## these lines
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r target text; do printf '%-18s%s\n' "$$target" "$$text"; done

# A learner's edition ends here; what follows is for those who change the workbook.

# two workers with one torch thread each do more than one worker with two
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m tests.run -n 2

# the groups that tests need besides what everybody installs
# the notebooks on fetched files run where the files are; without them only their notice is tested
test test-all: fetch

test test-quick test-all: EXTRAS := dev,ray,k8s,export,serve

.PHONY: test test-quick test-all notebooks site lint constraints

test: install ## install the same, then run the tests that a change must pass (two cores: about 50 minutes)
	$(TESTS) -m "not exhaustive"

test-quick: install ## the tests that take seconds (two cores: under 5 minutes)
	$(TESTS) -m "not slow and not exhaustive"

test-all: install ## all tests: with every notebook, and the long forms of attacks, fuzzing and benches
	$(TESTS) --notebooks=all

notebooks: ## run the notebooks that changed, two at a time, and record those that pass in tests/notebooks.json
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -v tests/test_notebooks.py -k runs_from_top --notebooks changed --record

site: install ## the workbook as pages to read, in build/site
	$(BIN)/course site

lint: ## what Ruff says of the code and the notebooks, and mypy of the types
	@$(BIN)/python -c "import ruff, mypy" 2>/dev/null || { echo "Ruff and mypy are tools of development:" \
		"$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'"; exit 1; }
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

constraints: ## write the versions that are installed now into constraints.txt
	$(BIN)/python course_utils/install.py --resolve
