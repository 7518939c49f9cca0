"""Draws in the demo in headless Chromium, and compares the numbers with Keras for three seeds."""

import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from matplotlib.image import imread
from site_server import FLAGS, Site, walked

import keras_dropouts as kd
import keras_dropouts_export as kde

DEMO = Path(__file__).parents[2] / "examples" / "browser"
SEEDS = [(7, 32), (-1, 4), (2**63 - 1, 64)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Any:
    """Draw once, and ask for each seed."""
    state, log, missing = walked(
        tmp_path_factory.mktemp("chromium"), 900, 240.0, page="demo_driver"
    )
    assert "failed" not in state, (state, log[-2000:])
    assert (state["errors"], missing) == ([], [])
    assert not re.findall(r".*CONSOLE.*(?:error|Error|Uncaught).*", log)
    return state


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Return the model of the page."""
    return keras.models.load_model(DEMO / "digits.keras")


@pytest.mark.parametrize("number", range(3))
def test_the_page_shows_what_keras_gives(seen, model, number):
    found, (seed, samples) = seen["answers"][number], SEEDS[number]
    assert (int(found["seed"]), found["count"]) == (seed, samples)
    pixels = np.array(found["pixels"], "float32").reshape(1, 28, 28, 1)
    assert 50 < (pixels > 0).sum() < 300
    prediction = kd.mc_predict(model, pixels, samples=samples, seed=seed, verbose=False)
    wanted = np.asarray(prediction.samples)[:, 0]
    assert np.ptp(wanted, axis=0).max() > 1e-4  # other masks change twenty times what is allowed
    given = {"samples": wanted, "mean": prediction.mean[0], "std": prediction.std[0]}
    for name, values in given.items():
        np.testing.assert_allclose(found[name], values, rtol=0.0, atol=5e-6, err_msg=name)
    entropies = {
        "entropy": prediction.predictive_entropy,
        "mutualInformation": prediction.mutual_information,
    }
    for name, values in entropies.items():
        np.testing.assert_allclose(found[name], values[0], rtol=0.0, atol=2e-5, err_msg=name)
    assert f"a {found['digit']} (" in found["decision"]
    assert found["accepted"] == found["decision"].startswith("Accepted")


def test_a_graphics_processor_gives_the_same_within_its_rounding(seen):
    assert seen["offered"] == seen["adapter"] == ("gpu" in seen)
    if seen["adapter"]:
        wanted = seen["answers"][-1]["samples"]
        np.testing.assert_allclose(seen["gpu"]["samples"], wanted, rtol=0.0, atol=1e-4)


def test_no_request_leaves_the_page(seen):
    assert len(seen["requests"]) >= 8
    origin = re.match(r"http://127\.0\.0\.1:\d+/", seen["links"][0])[0]
    assert all(each.startswith((origin, f"blob:{origin}")) for each in seen["requests"])


def test_a_link_gives_the_same_numbers(seen):
    assert len({str(each["samples"]) for each in seen["answers"]}) == 3
    assert seen["again"] == [
        {name: x for name, x in each.items() if name != "decision"} for each in seen["answers"]
    ]


def test_the_file_of_the_page_is_the_model(model):
    assert kde.verify(model, DEMO / "digits.onnx").ok


def test_a_screenshot_shows_the_answer(seen, tmp_path):
    site = Site()
    threading.Thread(target=site.serve_forever, daemon=True).start()
    link = seen["links"][0].partition("#")[2]
    picture = tmp_path / "demo.png"
    command = [shutil.which("chromium") or "google-chrome", *FLAGS, "--window-size=1000,760"]
    try:
        done = subprocess.run(
            [
                *command,
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=20000",
                f"--screenshot={picture}",
                f"{site.address}/browser/index.html#{link}",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        site.shutdown()
        site.server_close()
    assert picture.is_file(), done.stderr[-2000:]
    blue = imread(picture)[..., :3] @ np.array([-1.0, 0.0, 1.0])
    assert (blue > 0.3).sum() > 200, "no marks of samples are drawn"
