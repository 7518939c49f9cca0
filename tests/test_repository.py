"""Checks of the files around the code: workflows, templates, citation and links agree with it."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import keras_dropouts

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML_FILES = [
    *sorted((ROOT / ".github").rglob("*.yml")),
    ROOT / ".pre-commit-config.yaml",
    ROOT / "CITATION.cff",
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def jobs_of(path: Path) -> dict[str, Any]:
    return read(path)["jobs"]


def steps_of(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs_of(path).values() for step in job.get("steps", [])]


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", YAML_FILES, ids=by_name)
def test_each_file_is_yaml_with_a_mapping_at_its_top(path):
    assert isinstance(read(path), dict)


def test_the_workflows_are_those_that_the_contributors_are_told_of():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "docs.yml", "matrix.yml", "release.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_each_workflow_has_triggers_few_permissions_and_jobs_that_do_something(path):
    workflow = read(path)
    assert workflow["name"] == path.stem
    assert workflow[True]  # YAML 1.1 reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("uses") or job["steps"], name
        for step in job.get("steps", []):
            assert ("run" in step) != ("uses" in step), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_each_action_is_pinned_by_its_major_version(path):
    for step in steps_of(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"]), step


def make_targets(path: Path) -> set[str]:
    """Return the targets of make that a script or a workflow runs, by its matrix as well."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found = set(re.findall(r"\bmake ([a-z][\w-]*)", "\n".join(lines)))
    if path.suffix == ".yml":
        for job in jobs_of(path).values():
            matrix = job.get("strategy", {}).get("matrix", {})
            found |= {row["target"] for row in matrix.get("include", []) if "target" in row}
    return found


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci" / "run"], ids=by_name)
def test_each_target_of_make_that_is_run_exists(path):
    known = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.M))
    assert make_targets(path) <= known


def test_the_weekly_matrix_holds_every_version_and_backend():
    matrix = ROOT / ".github" / "workflows" / "matrix.yml"
    assert make_targets(matrix) >= {"test-oldest", "test-newest", "test-nightly"}
    jobs = jobs_of(matrix)
    assert jobs["backend"]["strategy"]["matrix"]["backend"] == ["tensorflow", "jax", "torch"]
    prefix = "Programming Language :: Python :: "
    pythons = [each.removeprefix(prefix) for each in PROJECT["classifiers"] if prefix in each]
    assert jobs["python"]["strategy"]["matrix"]["python"] == [p for p in pythons if "." in p]
    assert "cron" in read(matrix)[True]["schedule"][0]


def test_changes_pass_what_developers_run():
    steps = steps_of(ROOT / ".github" / "workflows" / "ci.yml")
    assert {"run": ".ci/run"} in steps


def test_a_release_is_tested_and_published_without_a_token():
    path = ROOT / ".github" / "workflows" / "release.yml"
    jobs = jobs_of(path)
    assert [job.get("needs") for job in jobs.values()] == [None, "tag", "checks", "build"]
    assert jobs["checks"]["uses"] == "./.github/workflows/ci.yml"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in path.read_text()
    publishing = jobs["publish"]["steps"][-1]
    assert publishing["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert "password" not in publishing.get("with", {})
    (check,) = jobs["tag"]["steps"][-1:]
    assert check["run"] == 'python .github/scripts/tag_is_version.py "$GITHUB_REF_NAME"'


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        (f"v{keras_dropouts.__version__}", 0),
        (keras_dropouts.__version__, 1),
        (f"v{keras_dropouts.__version__}1", 1),
        ("v99.0.0", 1),
        ("", 1),
    ],
)
def test_the_release_refuses_a_tag_that_is_not_the_version(tag, status):
    script = ROOT / ".github" / "scripts" / "tag_is_version.py"
    done = subprocess.run([sys.executable, script, tag], capture_output=True, text=True)
    assert done.returncode == status
    expected = f"Expected the tag 'v{keras_dropouts.__version__}'." if status else ""
    assert expected in done.stderr
    assert bool(done.stderr) == bool(status)


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_each_issue_form_asks_something_and_names_each_field_once(name):
    form = read(ROOT / ".github" / "ISSUE_TEMPLATE" / name)
    assert {"name", "description", "labels", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names) >= 3
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_dependabot_watches_packages_and_actions():
    rows = read(ROOT / ".github" / "dependabot.yml")["updates"]
    assert {row["package-ecosystem"] for row in rows} == {"pip", "github-actions"}


def test_pre_commit_runs_the_version_of_ruff_that_the_project_requires():
    repositories = read(ROOT / ".pre-commit-config.yaml")["repos"]
    (ruff,) = (each for each in repositories if each["repo"].endswith("/ruff-pre-commit"))
    assert {hook["id"] for hook in ruff["hooks"]} == {"ruff-check", "ruff-format"}
    required = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]
    (wanted,) = (each for each in required if each.name == "ruff")
    assert ruff["rev"].removeprefix("v") in wanted.specifier


def test_the_citation_names_this_version_and_this_project():
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == keras_dropouts.__version__
    assert citation["title"] == PROJECT["name"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Homepage"]
    assert [each["name"] for each in citation["authors"]] == [
        each["name"] for each in PROJECT["authors"]
    ]


def test_the_links_of_the_project_lead_into_its_repository():
    urls = PROJECT["urls"]
    assert set(urls) >= {"Homepage", "Documentation", "Changelog", "Issues"}
    home = "https://github.com/keras-dropouts/keras-dropouts"
    assert all(url == home or url.startswith(f"{home}/") for url in urls.values())
    for url in urls.values():
        _, _, path = url.partition("/blob/main/")
        assert not path or (ROOT / path).exists(), url


def test_both_packages_say_that_they_are_typed():
    for folder in (ROOT / "keras_dropouts", ROOT / "export" / "keras_dropouts_export"):
        assert (folder / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_command_starts_at_a_function_that_exists():
    module, _, name = PROJECT["scripts"]["keras-dropouts"].partition(":")
    folder = ROOT / "export" / Path(*module.split("."))
    source = (folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")).read_text()
    functions = [each.name for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)]
    assert name in functions
