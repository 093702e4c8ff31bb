# GNU make 3.81 will do. PYTHON=... names an interpreter, TORCH_INDEX=... an index for torch.
export PYTHON TORCH_INDEX

.PHONY: help demo test benchmark lint clean

help:
	@echo "make demo   explain some neurons of a small language model; needs Python 3.11-3.13"
	@echo "make test   all checks and tests"
	@echo "make benchmark  frozen benchmarks against reference numbers"
	@echo "make lint   style, types and layers alone"
	@echo "make clean  remove the virtual environments and caches; results stay"

demo:
	@sh scripts/set_up.sh demo
	@.venv/bin/neurogloss run experiment=demo

# The live tests serve a model on all cores, so they have the machine to themselves.
test:
	@sh scripts/set_up.sh test
	@sh scripts/system_packages.sh
	@sh scripts/vllm_environment.sh
	@sh scripts/lint.sh
	@.venv/bin/python -m pytest tests/live
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest --ignore=tests/live --numprocesses=2 --dist=loadfile

benchmark:
	@sh scripts/set_up.sh demo
	@.venv/bin/python benchmarks/quality/compare.py

lint:
	@sh scripts/set_up.sh test
	@sh scripts/lint.sh

clean:
	rm -rf .venv .venv-vllm .cache build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
