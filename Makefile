# The two commands of the README: `make demo` and `make test`. `make check` lints and types.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test fast check bench-bundle clean

$(INSTALLED): setup.cfg constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,test,check]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/python -m distill.run --teacher minilm --student tiny --data apidocs --control --out runs/demo \
	  --labelled-rows 1500 --train-rows 8000 --teacher-set epochs=6 --teacher-set batch_size=32 \
	  --teacher-set learning_rate=3e-4 --set training.epochs=1

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fast: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One file that measures a model wherever onnxruntime and NumPy are: make bench-bundle FOLDER=runs/demo/student
FOLDER ?= runs/demo/student
bench-bundle: $(INSTALLED)
	$(BIN)/python -m benchmarks.bundle $(FOLDER)

clean:
	rm -rf .venv runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
