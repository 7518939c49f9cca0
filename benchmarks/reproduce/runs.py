"""Runs the trainings of a study in processes of their own, and keeps what each has measured.

A study is a module with `ARMS`, the names of what is compared, and `run(arm, seed)`, which trains
and returns what it measured as numbers in dicts. Each result is a file under build/reproduce/runs,
so that a study that was stopped goes on where it was. A change of the files that a result depends
on makes it another study, which begins anew.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEPT = HERE.parents[1] / "build" / "reproduce" / "runs"
SHARED = ("image_nets.py", "real_digits.py", "training.py")
Results = dict[str, list[dict[str, Any]]]


def results(study: str, seeds: int, processes: int = 2, kept: Path = KEPT) -> Results:
    """Return what each arm of a study measured, by seed; only what is not kept yet is run.

    Args:
        study: The name of the module.
        seeds: Seeds 0 to `seeds` - 1 are run.
        processes: How many of them run at once, each on one thread.
        kept: The folder of the results.
    """
    arms = importlib.import_module(study).ARMS
    folder = kept / f"{study}-{_fingerprint(study)}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        (arm, seed): folder / f"{_plain(arm)}-{seed}.json" for seed in range(seeds) for arm in arms
    }
    missing = [cell for cell, path in files.items() if not path.exists()]
    start = time.monotonic()
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(min(processes, len(missing)) or 1, context, _one_thread) as pool:
        waiting = {pool.submit(_run, study, *cell, files[cell]): cell for cell in missing}
        try:
            for count, done in enumerate(as_completed(waiting), 1):
                done.result()
                spent = time.monotonic() - start
                left = spent / count * (len(missing) - count)
                arm, seed = waiting[done]
                print(
                    f"{study}: {arm}, seed {seed}; {count} of {len(missing)}, "
                    f"{spent:.0f} s, about {left:.0f} s left",
                    file=sys.stderr,
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {
        arm: [json.loads(files[arm, seed].read_text()) for seed in range(seeds)] for arm in arms
    }


def _one_thread() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"


def _run(study: str, arm: str, seed: int, path: Path) -> None:
    """Run and keep the result, in one step: a file that is there is whole."""
    found = importlib.import_module(study).run(arm, seed)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(found, indent=1))
    unfinished.replace(path)


def _fingerprint(study: str) -> str:
    sources = [(HERE / name).read_bytes() for name in (f"{study}.py", *SHARED)]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


def _plain(name: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in name)
