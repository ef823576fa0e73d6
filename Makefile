# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all test-gpu lint bench clean

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

demo: .venv/.ready  ## train on the digits that ship with scikit-learn, evaluate, write a report
	@run=$$($(BIN)/ganvas train dcgan digits) && $(BIN)/ganvas evaluate $$run --metrics fd,classes \
		&& echo "report: $$run/report.html"

test: .venv/.ready  ## the tests: minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not gpu"

test-all: .venv/.ready  ## the long checks too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not gpu"

test-gpu:  ## on a machine with a GPU, with the Python of that machine
	PYTHONPATH=src $(PYTHON) -m pytest -m gpu

lint: .venv/.ready  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.ready  ## benchmarks: ratios in one run; see benchmarks/results.md
	$(BIN)/python benchmarks/dcgan_step.py
	$(BIN)/python benchmarks/began_step.py
	$(BIN)/python benchmarks/resnet_step.py --batch 16
	$(BIN)/python benchmarks/translation_step.py
	$(BIN)/python benchmarks/stylegan2_step.py
	$(BIN)/python benchmarks/fused_adam.py
	$(BIN)/python benchmarks/stream.py
	$(BIN)/python benchmarks/augment.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/frechet.py

clean:
	rm -rf .venv .pytest_cache .ruff_cache
