"""Sets up every test: TensorFlow logs little, matplotlib opens no window, and seeds are fixed."""

import os
import sys
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# TensorFlow switches oneDNN on by the kind of CPU, and some convolutions are computed by it alone.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import pytest

import environments

ROOT = Path(__file__).parents[1]
# Folders of tests with environments of their own; `make test-engines` and its like run them.
APART = ("engines", "runtimes", "servers", "site")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed Python, NumPy and the backend, so that each test is the same run alone or in a suite."""
    keras.utils.set_random_seed(20)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> environments.Built:
    """Build the sdist, and the wheel from the sdist, as an index would hold them."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT]
    environments.done(environments.run(*command, cwd=folder))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return environments.Built(wheel, sdist)


@pytest.fixture(scope="session")
def wheel(built: environments.Built) -> Path:
    """Build the wheel."""
    return built.wheel


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for runs that have no time for every case, or have more at hand."""
    parser.addoption(
        "--zoo-third",
        action="store_true",
        help="of each test of the zoo, run every third model, layer or operation",
    )
    parser.addoption(
        "--large-third", action="store_true", help="of the largest models, run every third one"
    )
    parser.addoption(
        "--slow-third", action="store_true", help="of the tests marked slow, run every third one"
    )
    parser.addoption(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="of each test with more than N cases, run every Nth",
    )
    for name in APART:
        help = f"run tests/{name}, too, which needs what `make test-{name}` installs"
        parser.addoption(f"--{name}", action="store_true", help=help)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folders of `APART` to the commands that install what they need."""
    left = any(
        collection_path == ROOT / "tests" / name and not config.getoption(f"--{name}")
        for name in APART
    )
    return True if left else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of the zoo what this Keras has not yet, and the part that is asked for."""
    cases: dict[tuple[Path, str], list[pytest.Item]] = defaultdict(list)
    left_out = set()
    for item in items:
        if not item.path.name.startswith("test_zoo") or not isinstance(item, pytest.Function):
            continue
        name = item.callspec.params.get("name") if hasattr(item, "callspec") else None
        if name in getattr(item.module, "LACKING", ()):
            left_out.add(item)
        else:
            cases[item.path, item.originalname].append(item)
    every, large = (config.getoption(f"--{what}-third") for what in ("zoo", "large"))
    for (_, test), group in cases.items():
        if every or (large and test == "test_zoo_of_large_models"):
            left_out |= {item for n, item in enumerate(group) if n % 3}
    left_out |= _all_but_every(config.getoption("--every"), items)
    if config.getoption("--slow-third"):
        slow = [x for x in items if x.get_closest_marker("slow") and x not in left_out]
        left_out |= {item for n, item in enumerate(slow) if n % 3}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def _all_but_every(number: int, items: list[pytest.Item]) -> set[pytest.Item]:
    tests: dict[tuple[Path, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function):
            tests[item.path, item.originalname].append(item)
    groups = [group for group in tests.values() if len(group) > number]
    return {item for group in groups for n, item in enumerate(group) if n % number}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many models of the zoo left training."""
    passed, failed = (
        [each for each in terminalreporter.getreports(how) if "test_zoo.py" in each.nodeid]
        for how in ("passed", "failed")
    )
    if passed or failed:
        terminalreporter.write_line(f"zoo: {len(passed)} of {len(passed) + len(failed)} pass")
