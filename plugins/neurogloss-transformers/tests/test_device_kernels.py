"""The kernels compile for a GPU, also where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="torch for Linux brings it with CUDA, and the test environment does")

SCRIPT = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from neurogloss_transformers import device_kernels as kernels

POINTERS = {
    "activations": sys.argv[1], "present": "*i64", "positions": "*i64", "lengths": "*i64", "counted": "*u8",
    "hashed": "*i64", "salts": "*i64", "rows": "*i32", "splits": "*i64", "firing": "*i32", "moments": "*fp64",
    "firing_tokens": "*i64", "firing_sequences": "*i64", "first_position": "*i64", "histogram": "*i32",
    "places": "*i64", "values": "*i16", "exponents": "*i8",
}
SIZES = {
    "summarize": {"UNITS": 256, "AT_ONCE": 4},
    "merge": {"UNITS": 16, "SEQS": 64},
    "weigh": {"UNITS": 256},
    "offer": {"SLOTS": 32, "UNITS": 8, "SEQS": 128, "POSITIONS": 64},
}
for name, sizes in SIZES.items():
    kernel = getattr(kernels, name)
    scalars = {given for given in kernel.arg_names if given in ("width", "length", "size") or given.startswith("n_")}
    signature = {given: "i32" if given in scalars else POINTERS.get(given, "*fp32") for given in kernel.arg_names}
    signature |= dict.fromkeys(sizes, "constexpr")
    constants = {(kernel.arg_names.index(given),): value for given, value in sizes.items()}
    compiled = compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", int(sys.argv[2]), 32))
    print(name, len(compiled.asm["cubin"]) > 0)
"""


@pytest.mark.parametrize(("activations", "capability"), [("*bf16", 90), ("*fp16", 80), ("*fp32", 80)])
def test_the_kernels_compile(activations: str, capability: int) -> None:
    # In a process of its own: where Triton interprets, nothing is compiled.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", SCRIPT, activations, str(capability)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["summarize", "True", "merge", "True", "weigh", "True", "offer", "True"], done.stderr
