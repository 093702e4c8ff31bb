"""What becomes of memory that large arrays leave behind, in processes of their own."""

from __future__ import annotations

import mmap
import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept and returned by glibc alone")

_FIRST = """
import resource
import numpy as np
from neurogloss_transformers.freed_memory import keep_freed_memory, return_free_memory
keep_freed_memory()
"""
_FAULTS = """
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(10_000_000)
before = faults()
for _ in range(5):
    np.ones(10_000_000)
print(faults() - before)
"""
_HELD = """
import os
def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
np.ones(10_000_000)
before = held()
return_free_memory()
print(before - held())
"""
_PAGES = 10_000_000 * 8 // mmap.PAGESIZE


def printed(script: str, **variables: str) -> int:
    command = [sys.executable, "-c", _FIRST + script]
    done = subprocess.run(
        command,
        env=os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"} | variables,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


def test_memory_is_kept_for_the_next_array_unless_users_say_otherwise() -> None:
    assert printed(_FAULTS) < _PAGES / 10
    assert printed(_FAULTS, MALLOC_TRIM_THRESHOLD_="100000") > 4 * _PAGES


def test_kept_memory_is_given_back_when_asked() -> None:
    assert printed(_HELD) > 60
