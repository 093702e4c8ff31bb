"""One unit scored by `automated-interpretability`: what it costs against a vLLM server of the simulator's model.

    .venv/bin/python benchmarks/peers/one_unit.py FILE --base-url http://127.0.0.1:8000/v1 --model smollm2

FILE is JSON: {"explanation": TEXT, "scored": [{"pieces": [TEXT, ...], "piece_values": [NUMBER, ...]}, ...]}, the
sequences that are simulated, with the unit's real values. Prints JSON: seconds, requests, prompt_tokens,
completion_tokens, peak_mb, score and the simulated values.
Makes the environment of the package first; see environments.py.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from children import Child
from environments import python_of
from served import counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--base-url", required=True, help="of a vLLM server, with /v1")
    parser.add_argument("--model", required=True, help="the name under which the server knows it")
    options = parser.parse_args()
    unit = {"unit": "one"} | json.loads(options.file.read_text())
    child = Child(python_of("openai"), Path(__file__).parent / "openai_child.py")
    job = {"base_url": options.base_url, "model": options.model, "do": ["simulate"], "units": [unit]}
    with counted(options.base_url) as spent:
        done = child.did(job)
    child.close()
    (found,) = done.pop("found")
    print(json.dumps(done | spent | {"score": found["scores"]["simulation"]["score"], "simulated": found["simulated"]}))


if __name__ == "__main__":
    main()
