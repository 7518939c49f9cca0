"""What docs/runtimes.md says of other runtimes, asked again of a few artifacts each."""

from __future__ import annotations

import json
from pathlib import Path

import outcomes
import pytest
from artifacts import ARTIFACTS, Artifact
from runtime_table import ROOT, RUNTIMES, Runtime

import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.runtime_limits import RUNTIMES as LIMITS

RUNTIME: dict[str, Runtime] = {each.name: each for each in RUNTIMES}
LIMIT = 300.0  # seconds, on a busy machine
ONNXRUNTIME = ("onnxruntime-node", "onnxruntime-web, wasm")
OTHERS = ("OpenVINO", "OpenCV", "tract", "tract, fixed shapes")


@pytest.mark.parametrize("artifact", ["dense", "mc samples", "mc rows"])
@pytest.mark.parametrize("runtime", ONNXRUNTIME)
def test_onnxruntime_in_javascript_draws_the_masks_of_keras(
    runtime: str, artifact: str, folders: dict[str, Path], named: dict[str, Artifact]
) -> None:
    found = RUNTIME[runtime].try_on(named[artifact], folders[artifact], LIMIT)
    assert found.kind == outcomes.EQUAL, found
    assert found.masks is (True if named[artifact].samples else None)
    assert found.error is not None
    assert found.error < 1e-5


@pytest.mark.parametrize("artifact", ["dense", "dict"])
@pytest.mark.parametrize("runtime", OTHERS)
def test_other_runtimes_answer_as_keras_does_where_nothing_is_drawn(
    runtime: str, artifact: str, folders: dict[str, Path], named: dict[str, Artifact]
) -> None:
    found = RUNTIME[runtime].try_on(named[artifact], folders[artifact], LIMIT)
    assert found.kind == outcomes.EQUAL, found
    assert found.error is not None
    assert found.error < 1e-5


@pytest.mark.parametrize("artifact", ["lstm masked", "mc samples", "mc rows"])
@pytest.mark.parametrize("runtime", OTHERS)
def test_other_runtimes_do_what_the_table_says(
    runtime: str, artifact: str, folders: dict[str, Path], named: dict[str, Artifact]
) -> None:
    said = json.loads((ROOT / "docs" / "runtimes.json").read_text(encoding="utf-8"))
    found = RUNTIME[runtime].try_on(named[artifact], folders[artifact], LIMIT)
    assert found.kind == said[runtime][artifact]["kind"], found
    assert found.masks == said[runtime][artifact].get("masks")


@pytest.mark.parametrize("artifact", [each.name for each in ARTIFACTS])
def test_the_audit_says_what_each_runtime_really_did(
    artifact: str, folders: dict[str, Path], named: dict[str, Artifact]
) -> None:
    said = json.loads((ROOT / "docs" / "runtimes.json").read_text(encoding="utf-8"))
    known = [runtime for runtime in RUNTIMES if runtime.limits is not None]
    assert {runtime.limits for runtime in known} == set(LIMITS)
    for runtime in known:
        found = outcomes.Outcome(**said[runtime.name][artifact])
        if found.kind == outcomes.SLOW:  # it is not known what would have come
            continue
        report = kde.audit(folders[artifact] / "model.onnx", runtime=runtime.limits)
        certain = any(not each.reason.startswith("may be") for each in report.runtime_ops)
        assert report.ok == found.ok or not certain, f"{runtime.name}: {found}\n{report}"
        assert found.ok or not report.ok, f"{runtime.name}: {found}\n{report}"
