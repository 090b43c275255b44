# Two commands on a bare machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export DO_NOT_TRACK = 1
export DAGSTER_DISABLE_TELEMETRY = 1

.PHONY: demo dev test quick lint style imports types sql pipelines words site docs quick-tests format bench lock clean

$(READY): requirements.txt pyproject.toml
	@echo "setting up $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## four generated days, one of them broken, through the graph
	@$(BIN)/sluice demo

dev: $(READY)  ## UI and daemon on loopback, with the demo's destinations
	@exec $(BIN)/sluice dev --demo-destinations

# In the order of the files: the longest have few tests, and would come last otherwise. Two processes more than
# the two cores that it is made for: a fifth of the time a test waits for another process, or a lock.
WORKERS ?= 4
test: $(READY)  ## everything, long tests included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

quick: $(READY)  ## lint, and every test that is not `long`: no server, no other process; some two minutes
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target quick-tests types style imports sql pipelines words site

quick-tests: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not long" --durations=5 --durations-min=3

lint: style imports types sql pipelines words site  ## with `make --jobs=2 lint` on both cores

style: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

imports: $(READY)
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/basedpyright

sql: $(READY)
	$(BIN)/sqlfluff lint --disable-progress-bar dbt_project/models dbt_project/tests

# Azure's schema knows all values as texts, and patterns that Python reads.
pipelines: $(READY)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/sluice.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.azure-pipelines --regex-variant python azure-pipelines.yml
	$(BIN)/python -m tests.review.actionlint .github/workflows/sluice.yml

# Spelling where everybody reads; and our own list of words, with what is plain for each.
words: $(READY)
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md mkdocs.yml docs orchestration
	$(BIN)/python -m tests.documents.words

# The notice is about a later version of mkdocs.
site: export NO_MKDOCS_2_WARNING = 1
site: $(READY)
	$(BIN)/mkdocs build --quiet --site-dir $(VENV)/.site

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(READY)  ## the documents as a site with search, in site/
	@$(BIN)/mkdocs build --quiet && echo "site/index.html"

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/sqlfluff fix --disable-progress-bar dbt_project/models dbt_project/tests

bench: $(READY)
	$(BIN)/python -m benchmarks

lock:  ## needs uv on the PATH
	uv pip compile --universal --generate-hashes --no-emit-index-url --extra demo --extra postgres --extra kusto --extra dev pyproject.toml -o requirements.txt

clean:
	rm -rf $(VENV) .sluice
