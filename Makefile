# The newcomer's door. Each target sets itself up; each can be repeated.
PYTHON ?= python3
PROFILE ?= recorded
REPLAY ?= 90
DEVICE ?= auto
CORES ?= all
RUN := .venv/bin/python
BUILT := $(or $(LOSSBOOK_BUILD),_build)

.DEFAULT_GOAL := help
.PHONY: help book plan test lock clean distclean setup profile

help:
	@echo 'make book   build the book and say where its first page is'
	@echo '              PROFILE=recorded|smoke|quick|paper   what to train: nothing, or runs of that size'
	@echo '              REPLAY=90   seconds for which recorded runs are replayed, where their data are; 0 for none'
	@echo '              LOSSBOOK_DATA=DIR           where the data sets are, or go'
	@echo '              DEVICE=auto|cpu|cuda|cuda:N          where to train'
	@echo '              CORES=4                     on how many processor cores to work; all of them by default'
	@echo 'make plan   say what make book would run, and why; takes the same settings'
	@echo 'make test   check style and types, run all tests'
	@echo 'make lock   pin the newest versions again, in requirements.lock'
	@echo 'make clean  delete what was built; recorded runs stay'
	@echo 'make distclean  delete recorded runs and the virtual environment as well'
	@echo 'PYTHON=python3.12 names the Python to set up with, when python3 is not 3.11 or later.'

# Before anything is installed or built.
profile:
	@case '$(PROFILE)' in recorded|smoke|quick|paper) ;; \
	*) echo "unknown PROFILE '$(PROFILE)'; there are: recorded, smoke, quick, paper" >&2; exit 2;; esac

setup:
	@command -v '$(PYTHON)' > /dev/null || { echo "there is no '$(PYTHON)' here; install Python 3.11 or later," \
	"or name one: make PYTHON=/path/to/python" >&2; exit 2; }
	@'$(PYTHON)' workflow/setup.py

book: profile setup
	@exec $(RUN) -m lossbook.build all --profile '$(PROFILE)' --replay '$(REPLAY)' --device '$(DEVICE)' --cores '$(CORES)'

plan: profile setup
	@exec $(RUN) -m lossbook.build plan --profile '$(PROFILE)' --replay '$(REPLAY)' --device '$(DEVICE)'

test: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest -n auto --dist loadfile

lock: setup
	.venv/bin/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --extra book --extra dev --extra slurm --extra text pyproject.toml -o requirements.lock

clean:
	@for name in recorded smoke quick paper cache jupyter files notebooks-by-hand; do rm -rf "$(BUILT)/$$name"; done
	@echo 'Deleted what was built. Recorded runs stay in $(BUILT)/results; make distclean deletes those in _build too.'

distclean:
	rm -rf _build .venv
