"""What every test shares: a quiet TensorFlow, a drawing backend with no window, and a seed."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras
import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed Python, NumPy and the backend, so that each test is the same run alone or in a suite."""
    keras.utils.set_random_seed(20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many models of the zoo left training."""
    passed, failed = (
        [each for each in terminalreporter.getreports(how) if "test_zoo.py" in each.nodeid]
        for how in ("passed", "failed")
    )
    if passed or failed:
        terminalreporter.write_line(f"zoo: {len(passed)} of {len(passed) + len(failed)} pass")
