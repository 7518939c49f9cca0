"""Tests of the ranges of versions: what pyproject.toml allows is what constraints/ tests."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import zoo_hub
import zoo_hub_composed
import zoo_layers
import zoo_operations

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What a user installs, and the rest: tools, and what the tests alone need.
USERS = ("export", "litert", "openvino", "plot", "score")
ENGINES = ("ray", "spark", "beam")  # they have an environment of their own
TOOLS = {"build", "hatchling", "import-linter", "mypy", "packaging", "pytest", "pytest-xdist"}
TOOLS |= {
    "keras-tuner",
    "mapie",
    "optuna",
    "pyright",
    "pytest-cov",
    "pyyaml",
    "ruff",
    "torch",
    "torchmetrics",
}


def requirements(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [Requirement(line) for line in lines if not line.startswith("keras-dropouts[")]


def pins(name: str, python: str) -> dict[str, Version]:
    """Return the version of each package in a file of constraints, for one Python."""
    found = {}
    for line in (ROOT / "constraints" / f"{name}.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            found[canonicalize_name(requirement.name)] = Version(pin.version)
    return found


def lower_bound(requirement: Requirement) -> Version:
    (bound,) = (each for each in requirement.specifier if each.operator == ">=")
    return Version(bound.version)


def line_of(requirement: Requirement) -> int:
    """Return the number of the line of pyproject.toml that makes a requirement."""
    lines = TEXT.splitlines()
    (number,) = (
        number
        for number, line in enumerate(lines)
        if re.search(rf'"{re.escape(requirement.name)}(\[[^]]*\])?(>=|==)', line)
    )
    return number


EVERY = {each.name: each for each in requirements(*EXTRAS)}.values()
OF_ENGINES = [Requirement(line) for name in ENGINES for line in EXTRAS[name]]
# MLflow is in environments of its own, which `make test-servers` makes, and so is the site.
APART = {*ENGINES, "mlflow", "docs"}
TESTED = {each.name: each for each in requirements(*sorted(set(EXTRAS) - APART))}.values()


@pytest.mark.parametrize("requirement", EVERY, ids=lambda each: each.name)
def test_each_requirement_has_a_lower_bound_and_a_reason_for_an_upper_one(
    requirement: Requirement,
) -> None:
    operators = {each.operator for each in requirement.specifier}
    assert operators & {">=", "=="}, requirement
    if operators - {">="}:
        number, lines = line_of(requirement), TEXT.splitlines()
        beside = "#" in lines[number] or lines[number - 1].strip().startswith("#")
        assert beside, f"{requirement} has an upper bound and no comment that says why"


def test_no_python_is_shut_out_above_the_oldest() -> None:
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.mark.parametrize(
    "requirement",
    [each for each in TESTED if each.name not in TOOLS],
    ids=lambda each: each.name,
)
def test_the_oldest_pin_is_the_lower_bound(requirement: Requirement) -> None:
    pin = pins("oldest", "3.11")[canonicalize_name(requirement.name)]
    if requirement.name == "tf2onnx":
        assert pin in requirement.specifier
    else:
        assert pin.release[:2] == (*lower_bound(requirement).release, 0)[:2], pin
        assert pin in requirement.specifier


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_newest_pins_hold_every_requirement(python: str) -> None:
    newest = pins("newest", python)
    for requirement in TESTED:
        assert newest[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize("requirement", OF_ENGINES, ids=lambda each: each.name)
def test_an_engine_is_tested_in_the_release_that_is_its_lower_bound(
    requirement: Requirement,
) -> None:
    pin = pins("engines", "3.11")[canonicalize_name(requirement.name)]
    assert pin.release[:2] == lower_bound(requirement).release[:2]
    assert pin in requirement.specifier


def test_the_engines_are_tested_without_keras_and_with_what_scoring_needs() -> None:
    engines = pins("engines", "3.11")
    assert not {"keras", "tensorflow", "onnx"} & set(engines)
    for line in EXTRAS["score"]:
        assert engines[canonicalize_name(Requirement(line).name)] in Requirement(line).specifier


def test_the_extra_for_mlflow_begins_at_the_release_that_is_asked() -> None:
    (mlflow,) = (Requirement(line) for line in EXTRAS["mlflow"])
    pin = pins("servers", "3.11")["mlflow"]
    assert pin in mlflow.specifier
    assert pin.release[:2] == lower_bound(mlflow).release


def test_the_site_is_built_with_pins_that_its_extra_allows() -> None:
    found = pins("docs", "3.11")
    for line in EXTRAS["docs"]:
        assert found[canonicalize_name(Requirement(line).name)] in Requirement(line).specifier
    assert not {"keras", "tensorflow"} & set(found)


def test_the_newest_is_nowhere_older_than_the_oldest() -> None:
    oldest, newest = pins("oldest", "3.11"), pins("newest", "3.11")
    user = {canonicalize_name(each.name) for each in requirements(*USERS)}
    assert {name: newest[name] for name in user if newest[name] < oldest[name]} == {}
    grown = {name for name in user if newest[name] > oldest[name]}
    assert grown == user - {"tf2onnx"}


def test_only_an_older_release_leaves_anything_out_of_the_zoo() -> None:
    lacking = zoo_hub.LACKING | zoo_hub_composed.LACKING | zoo_layers.LACKING
    lacking |= zoo_operations.LACKING
    python = f"3.{sys.version_info.minor}"
    newest = pins("newest", python)["keras"]
    assert bool(lacking) == (Version(keras.__version__).release < newest.release), lacking


def test_the_file_that_is_written_has_a_line_for_each_python_where_they_differ() -> None:
    sys.path.insert(0, str(ROOT / "constraints"))
    try:
        from renew import merged
    finally:
        del sys.path[0]
    old = {"numpy": "2.4", "rich": "15.0", "torch": "2.13.0"}
    new = {"numpy": "2.5", "rich": "15.0"}
    assert merged(old, new, "3.12") == [
        'numpy==2.4 ; python_version < "3.12"',
        'numpy==2.5 ; python_version >= "3.12"',
        "rich==15.0",
        "torch==2.13.0",
    ]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_lists_every_command() -> None:
    listed = make("help").stdout
    for name in ("test", "test-oldest", "test-newest", "test-nightly", "test-python"):
        assert f"make {name}\t" in listed
    assert "make constraints\t" in listed


@pytest.mark.parametrize("versions", ["oldest", "newest", "nightly"])
def test_the_versions_choose_the_environment(versions: str) -> None:
    planned = make("--dry-run", "test", f"VERSIONS={versions}").stdout
    folder = {"newest": ".venv/"}.get(versions, f".venv-{versions}/")
    assert f"{folder}bin/python -m pytest" in planned


def test_other_versions_are_a_clear_error() -> None:
    result = make("test", "VERSIONS=older")
    assert result.returncode == 2
    assert "VERSIONS is oldest, newest or nightly, and not 'older'." in result.stderr


def test_a_python_that_is_missing_is_a_clear_error() -> None:
    result = make("test-python", "PYTHON=python3.99")
    assert result.returncode == 2
    assert "There is no python3.99 here. Set another one: make PYTHON=" in result.stderr


def test_a_python_that_is_too_old_is_a_clear_error(tmp_path: Path) -> None:
    old = tmp_path / "old"
    # It answers as Python 3.10 would: what make asks runs with another version_info.
    old.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] || exit 9\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = (3, 10, 0); $2"\n'
    )
    old.chmod(0o755)
    result = make("lint", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert result.returncode == 2
    assert f"keras-dropouts needs Python 3.11 or newer, and {old} is 3.10." in result.stderr
