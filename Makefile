# Needs Python 3.11 or later and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Small matrices are fastest on one thread, and the test processes do not compete.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
# What of the tests meets other packages.
LOWEST := reference tests/reference tests/numbers tests/problems tests/oracle/network/module tests/doors/test_command.py tests/doors/test_protocol.py

.PHONY: help conformance test thorough lowest bench compare kill-matrix clean

help:
	@echo "make conformance   compare the reference with its PyTorch twin, equation by equation, then train both"
	@echo "make test          lint, who imports whom, types, tests, doctests"
	@echo "make thorough      whole what make test samples: more examples, 2,400 random problems, every mutant (half an hour)"
	@echo "make lowest        tests on the oldest versions of all packages that pyproject.toml allows"
	@echo "make bench         speed and memory, as ratios to PyTorch and others"
	@echo "make compare       the same mistakes and right programs put to gradcheck, allclose, check_grads and the oracle"
	@echo "make kill-matrix   alter every labelled line in every way; some test must fail (some minutes)"
	@echo "make clean         remove the environment and all caches"

conformance: .venv/ready
	$(BIN)/python -m conformance run

test: .venv/ready
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/mypy --no-error-summary
	$(BIN)/pytest -q -n auto

thorough: .venv/ready
	$(BIN)/pytest -q -n auto --whole --hypothesis-profile standard
	$(BIN)/python -m conformance run --profile standard
	$(BIN)/python -m conformance kill-matrix

# Where a package can be had in other versions only: make lowest WITH="torch==2.13.0 sympy==1.13.3"
lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	$(PYTHON) tests/lowest.py $(WITH) > .venv-lowest/versions.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check -r .venv-lowest/versions.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	.venv-lowest/bin/python -m pytest -q -o filterwarnings= $(LOWEST)
	rm -rf .venv-lowest

# glibc may give freed memory back to the system after each step and take it again page by page, or not, by chance.
bench: .venv/ready
	MALLOC_TRIM_THRESHOLD_=536870912 MALLOC_MMAP_THRESHOLD_=536870912 $(BIN)/python -m conformance bench

compare: .venv/ready
	$(BIN)/python -m conformance compare

kill-matrix: .venv/ready
	$(BIN)/python -m conformance kill-matrix

.venv/ready: pyproject.toml tests/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed, and $(PYTHON) is older: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf .venv .venv-lowest .hypothesis .mypy_cache .pytest_cache .ruff_cache build *.egg-info
