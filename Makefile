# The same commands locally and in CI; `make help` lists them.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults setup install lint cluster cluster-down lock

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## index the sample archive, search it and serve it to a browser
	$(BIN)/scenesift demo --serve

test: setup lint ## run everything that CI runs
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-faults: setup ## run the slow tests of faults, which CI runs too
	$(BIN)/python -m pytest -m faults

setup: install ## install all that the tests need
	@$(BIN)/python deploy/system.py
	@if command -v mvn >/dev/null; then $(BIN)/python -m deploy.local fetch; fi

install:
	@$(PYTHON) deploy/install.py

lint: install ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

cluster: setup ## start three OpenSearch nodes, Redis and two workers here
	@$(BIN)/python -m deploy.local up

cluster-down: ## stop what `make cluster` started
	@$(BIN)/python -m deploy.local down

lock: ## resolve the dependencies anew, with hashes (needs uv)
	uv pip compile pyproject.toml --extra dev --extra aws --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --upgrade -o requirements.lock
