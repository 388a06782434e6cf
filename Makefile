# Two commands are enough: `make run` and `make test`. Both do all set-up themselves; `make help` lists the rest.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export DEBUG ?= true

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): requirements.lock requirements-dev.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-dev.lock
	@touch $(STAMP)

.PHONY: install
install: $(STAMP) ## Make .venv with everything in it

.PHONY: run
run: $(STAMP) ## Start everything: servers, tables, sample catalogue, web and worker (PORT, DATA_DIR)
	@exec $(BIN)/litestar up

.PHONY: test
test: $(STAMP) ## All tests, on their own throw-away servers
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

.PHONY: check
check: $(STAMP) ## Format, lint, types, floors
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: fix
fix: $(STAMP) ## Format, and mend what the linter can mend
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

.PHONY: bench
bench: $(STAMP) ## Measure speed and memory, each against a limit of the same run
	@$(BIN)/python -m bench

.PHONY: faults
faults: $(STAMP) ## The long fault runs (SEED=...)
	@$(BIN)/python -m pytest -m faults tests/faults -v --timeout 7200

.PHONY: migrate
migrate: $(STAMP) ## Bring the tables of DATA_DIR (or DATABASE_URL) up to date
	@$(BIN)/litestar migrate

.PHONY: migration
migration: $(STAMP) ## Write a migration for changed tables: make migration APP=catalog
	@$(BIN)/piccolo migrations new $(APP) --auto

.PHONY: lock
lock: ## Pin the dependencies of pyproject.toml, with hashes
	@uv pip compile pyproject.toml --universal --generate-hashes --no-annotate --no-header -q -o requirements.lock
	@uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-header -q -c requirements.lock -o requirements-dev.lock

.PHONY: up
up: ## The same on containers: PostgreSQL, Redis, web, worker
	@docker compose up --build --detach --wait

.PHONY: down
down: ## Stop the containers
	@docker compose down
