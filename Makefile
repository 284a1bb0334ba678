# Everything a person does here. `make` alone lists it.
#
# GNU make 3.81 (macOS) must be able to read this.

PYTHON ?= python3
BIN := .venv/bin
CODE := bronze silver gold generator conf lakehouse.py tests

# The stamp names the checkout it was made for: a copied or moved checkout installs again.
# The quotes keep a folder name with spaces in one piece.
ifneq ("$(shell test -x $(BIN)/python && cat .venv/installed 2>/dev/null)","$(CURDIR)")
STALE := stale
endif

# Most folders share their name with a target.
.PHONY: help install pipeline stream report test test-faults sql verify reprocess maintain up down lint lock clean stale

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

install: .venv/installed ## Install everything into .venv, Java and JARs included

.venv/installed: requirements.txt pyproject.toml conf/jars.txt $(STALE)
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON): no such program. Install Python 3.11 or newer, or name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$("$(PYTHON)" -V 2>&1): 3.11 or newer is needed. Nothing was installed. Name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" -m conf.install

# No sample goes where data ever was, though its deliveries may have been cleared away since, nor into a bucket.
# The settings say where that is; should they be wrong, `run` tells it well. A batch that a gate refused (3)
# is what a report is for.
pipeline: install ## Generate a sample when nothing was delivered yet, and run through to gold and the report
	@place="$$($(BIN)/python -c 'from conf import settings; print(settings.load().place.root)' 2>/dev/null)" || \
	exec $(BIN)/lakehouse run; case "$$place" in *://*) ;; *) test -n "$$(find "$$place/landing/" \
	"$$place/warehouse/" ! -type d ! -name '.*' 2>/dev/null | head -1)" ;; esac || $(BIN)/lakehouse generate --events 200000 --hours 48 --seed 1 --start "$$($(BIN)/python \
	-c 'from datetime import *; print((datetime.now(timezone.utc) - timedelta(days=2)).date())')"
	@$(BIN)/lakehouse run; ended=$$?; case $$ended in 0|3) $(BIN)/lakehouse report || exit;; esac; exit $$ended

stream: install ## Take what arrives, through to gold, until Ctrl-C; INTERVAL=30s
	@$(BIN)/lakehouse stream $(if $(INTERVAL),--interval "$$INTERVAL")

report: install ## Write the pages on statistics and data quality
	@$(BIN)/lakehouse report

test: install ## Run the tests
	@$(BIN)/pytest -n 2 --dist loadfile

test-faults: install ## Attack every promise, for hours; stopped, it goes on from build/faults
	@$(BIN)/pytest tests/faults -m "faults or not faults" -n 2 --dist loadfile
	@$(BIN)/python -m tests.faults.kills

sql: install ## Query the tables; with Q="SELECT …" one query, else a prompt
	@$(BIN)/lakehouse sql $(if $(Q),"$$Q")

verify: install ## Compute silver and gold again, and compare
	@$(BIN)/lakehouse verify

reprocess: install ## Rebuild event hours: FROM=2026-03-02T00:00 TO=2026-03-03T00:00
	@$(BIN)/lakehouse reprocess $(if $(FROM),--from "$$FROM") $(if $(TO),--to "$$TO")

maintain: install ## Put small files together, take away what no promise needs
	@$(BIN)/lakehouse maintain

up: ## Start everything past one machine in containers: storage, Kafka, cluster, stream, JDBC
	docker compose -f docker/compose.yaml up --build --detach

down: ## Stop the containers; their data stays
	docker compose --project-name ad-events-lakehouse down

lint: install ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)

lock: ## Pin again after a change in pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "uv: no such program. Install it to make the lock; nothing else needs it." >&2; exit 2; }
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements.txt

clean: ## Remove what was installed and cached; data stays
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
