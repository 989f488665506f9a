# Thin names over scripts/. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
.PHONY: setup setup-dev demo test chaos check bench up down clean compose-up compose-down

setup:
	@$(PYTHON) scripts/setup.py

setup-dev:
	@$(PYTHON) scripts/setup.py --dev

demo: setup
	@sh scripts/demo.sh

test: setup-dev
	@$(PYTHON) scripts/test.py

# Not part of `make test` (docs/limits.md). With other choices: DAYBOOK_CHAOS_SEED=7 make chaos
chaos: setup-dev
	@.venv/bin/pytest tests/e2e/test_chaos.py

check: setup-dev
	@sh scripts/check.sh

bench: setup-dev
	@$(PYTHON) scripts/setup.py --bench
	@.venv/bin/python benchmarks/run_all.py

up: setup
	@.venv/bin/daybook up

down:
	@.venv/bin/daybook down

clean: down
	rm -rf .venv .venv-notebook .venv-bench .daybook

compose-up:
	@$(PYTHON) deploy/compose/prepare.py
	@deploy/images/build.sh notebook && deploy/images/build.sh airflow
	@docker save --output .compose/images/notebook.tar "$$(sed -n 's/^NOTEBOOK_IMAGE=//p' .env)"
	@docker compose up --wait --wait-timeout 900

compose-down:
	@docker compose down
