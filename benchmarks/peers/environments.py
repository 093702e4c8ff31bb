"""The environments of the peers, each of its own: `.cache/peers/NAME`, made where it is missing or changed.

    python benchmarks/peers/environments.py [NAME ...]    all of them without a name; any Python from 3.11 to 3.13

Nothing else makes them: neither `make` nor CI does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "peers"


@dataclass(frozen=True)
class Peer:
    """A peer and what it runs with."""

    alone: tuple[str, ...]
    """Installed without what they ask for."""
    packages: tuple[str, ...]
    """Installed with what they ask for."""


PEERS = {
    "openai": Peer((), ("automated-interpretability==0.0.24", "setuptools")),
    # They ask for vllm and bitsandbytes, which bring CUDA; what is used here needs neither.
    "delphi": Peer(
        ("eai-delphi==0.1.3", "eai-sparsify==1.3.3"),
        (
            "torch",
            "transformers==4.57.*",
            "accelerate",
            "aiofiles",
            "anyio",
            "asyncer",
            "beartype",
            "blobfile",
            "datasets",
            "einops",
            "faiss-cpu",
            "fire",
            "flask",
            "jaxtyping",
            "natsort",
            "orjson",
            "safetensors",
            "schedulefree",
            "scikit-learn",
            "sentence-transformers",
            "simple-parsing",
            "tiktoken",
        ),
    ),
    "transformer_lens": Peer((), ("torch", "transformer-lens==4.3.0")),
    "nnsight": Peer((), ("torch", "nnsight==0.8.1", "accelerate")),
    "hooks": Peer((), ("torch", "transformers==5.19.0", "accelerate")),
}


def python_of(name: str) -> str:
    """The interpreter of a peer's environment, which is made first where it has to be.

    Raises:
        subprocess.CalledProcessError: A package cannot be installed.
    """
    peer, folder = PEERS[name], FOLDER / name
    python = str(folder / "bin" / "python")
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    wanted, stamp = str(zlib.crc32(repr((peer, torch)).encode())), folder / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"Installing {name} in {folder} (a few minutes the first time)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    index = [f"--index-url={os.environ['TORCH_INDEX']}"] if "TORCH_INDEX" in os.environ else []
    if "torch" in peer.packages:
        if not index:
            subprocess.run([python, str(ROOT / "scripts" / "check_torch.py"), torch], check=True)
        subprocess.run([*pip, *index, torch], check=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(torch)
    subprocess.run([*pip, "--constraint", str(constraints), *peer.packages], check=True)
    if peer.alone:
        subprocess.run([*pip, "--no-deps", *peer.alone], check=True)
    stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    for each in sys.argv[1:] or PEERS:
        print(python_of(each))
