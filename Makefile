# Needs Python 3.10+, git and make; everything else is installed into .venv.
# make PYTHON=python3.12 builds it with another Python, make VENV=... elsewhere.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A fresh environment has the pip of its Python, which may be older than dependency groups.
PIP_WITH_GROUPS := 'pip>=25.1'
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# All extras of pyproject.toml; tests and types need what each of them installs.
EXTRAS := sandbox,receiver,report,s3,gcs,sftp,demo
AIRFLOW_VENV ?= .venv-airflow
DBT_VENV ?= .venv-dbt
WORKERS ?= auto
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
COG := $(BIN)/python -m cogapp -I . --verbosity=0
GENERATED := README.md docs/*.md docs/_static/erd_*.svg meltano.yml plugin.yaml .env.example \
	transform/models/staging/*
# Not the macros, whose indentation is that of Jinja
SQL := transform/models transform/snapshots transform/tests
# Added to the command line of pytest: make test ARGS="-k roster"
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-airflow bench audit lint-workflows sbom lint format types docs docs-check site recording build check clean

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.demo ## Sync a made-up loyalty program into DuckDB, on three days, and report on it
	@exec $(BIN)/python -m crowdtwist_sandbox.demo

test: $(VENV)/.dev ## Run all but the slow tests; COVERAGE=1 measures and enforces coverage
	$(PYTEST) -m "not slow" $(if $(COVERAGE),--cov) $(ARGS)

test-slow: $(VENV)/.dev $(AIRFLOW_VENV)/.installed $(DBT_VENV)/.installed ## Run the slow tests: databases, Meltano, dbt, Airflow, kills, models, costs
	AIRFLOW_VENV=$(AIRFLOW_VENV) DBT_VENV=$(DBT_VENV) $(PYTEST) --no-loadscope-reorder -m slow $(ARGS)

lint: $(VENV)/.dev ## Check style, that of SQL too, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/sqlfluff lint --processes 0 $(SQL)

format: $(VENV)/.dev ## Mend style where that is mechanical
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --quiet $(SQL)

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy

docs: $(VENV)/.dev ## Regenerate what pages, transform/, meltano.yml, plugin.yaml and .env.example repeat of the code
	$(COG) -r $(GENERATED)

docs-check: $(VENV)/.dev ## Fail if `make docs` would change anything
	$(COG) --check --check-fail-msg "run \`make docs\`" $(GENERATED)

site: $(VENV)/.site ## Build the site into build/site; a warning is an error
	$(BIN)/python -m sphinx --builder dirhtml --fail-on-warning --keep-going --fresh-env --quiet docs build/site

# The lines come one by one, so that they can be read; idle time is cut by the player.
recording: $(VENV)/.demo ## Record `make demo` for the quick start's page
	@$(PIP) asciinema==2.4.0
	$(BIN)/asciinema rec --quiet --overwrite --cols 100 --rows 30 --idle-time-limit 2 --env TERM \
		--title 'make demo' --command 'echo "$$ make demo"; $(MAKE) --no-print-directory demo | \
		while IFS= read -r line; do printf "%s\n" "$$line"; sleep 0.2; done' docs/_static/demo.cast

test-airflow: $(VENV)/.dev $(AIRFLOW_VENV)/.installed $(DBT_VENV)/.installed ## Run the DAG on a real Airflow, into PostgreSQL
	AIRFLOW_VENV=$(AIRFLOW_VENV) DBT_VENV=$(DBT_VENV) $(BIN)/python -m pytest tests/airflow $(ARGS)

bench: $(VENV)/.dev ## Measure against the obvious ways; about 20 minutes, prints the tables of its page
	$(BIN)/python -m benchmarks $(ARGS)

audit: $(VENV)/.dev ## Look for known weaknesses in what the tap installs
	@$(PIP) pip-audit==2.10.1
	$(BIN)/pip-audit --progress-spinner off --skip-editable

lint-workflows: $(VENV)/.dev ## Check the GitHub workflows
	@$(PIP) zizmor==1.32.0
	$(BIN)/zizmor --offline --no-progress --persona=pedantic .

build: $(VENV)/.dev ## Build the sdist and the wheel into dist/
	rm -f dist/tap_crowdtwist-*
	$(BIN)/python -m build --outdir dist

# Of an environment with the wheel and what it requires, and nothing else. It must have a serial number
# (so no --output-reproducible), or else actions/attest does not take it for an SBOM.
sbom: build ## List what the wheel installs, as a CycloneDX SBOM in build/sbom/
	$(BIN)/python -m venv --clear --without-pip build/sbom/venv
	$(BIN)/python -m pip --python build/sbom/venv/bin/python install --quiet dist/tap_crowdtwist-*.whl
	$(BIN)/pipx run --spec cyclonedx-bom==7.5.0 cyclonedx-py environment \
		--validate --pyproject pyproject.toml \
		--output-file build/sbom/tap-crowdtwist.cdx.json build/sbom/venv

check: lint types docs-check site test test-slow ## Everything that has to pass

clean: ## Remove what make made, the demo's output included
	rm -rf $(VENV) $(AIRFLOW_VENV) $(DBT_VENV) .venv-bench
	rm -rf build dist htmlcov .coverage .coverage.* output/demo
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The demo needs less than the tests, so it has less to wait for.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing the tap, the sandbox, the report and Meltano into $(VENV)"
	@$(PIP) --editable '.[sandbox,receiver,report,demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing everything that development needs into $(VENV)"
	@$(PIP) $(PIP_WITH_GROUPS)
	@$(PIP) --group dev --editable '.[$(EXTRAS)]'
	@touch $(VENV)/.demo $@

$(VENV)/.site: $(VENV)/.dev
	@$(PIP) --group docs
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than Python 3.10: make PYTHON=/path/to/a/newer/python"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Airflow pins what the SDK needs otherwise, so it has an environment of its own.
$(AIRFLOW_VENV)/.installed: orchestrate/airflow/requirements.in orchestrate/airflow/constraints.txt
	@echo "Installing Airflow into $(AIRFLOW_VENV)"
	@$(PYTHON) -m venv $(AIRFLOW_VENV)
	@$(AIRFLOW_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-compile \
		-r orchestrate/airflow/requirements.in -c orchestrate/airflow/constraints.txt
	@touch $@

# dbt pins what the SDK needs otherwise, too.
$(DBT_VENV)/.installed: transform/requirements.txt
	@echo "Installing dbt into $(DBT_VENV)"
	@$(PYTHON) -m venv $(DBT_VENV)
	@$(DBT_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-compile \
		-r transform/requirements.txt
	@touch $@
