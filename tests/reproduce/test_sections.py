"""Tests of what the studies report: claims, tables, pictures and the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies import FOLDER, studies

__all__ = ["studies"]  # a fixture


def test_claims_are_shown_opposed_or_left_open(studies: Any) -> None:
    claims = studies("claims")
    claim = claims.Claim("a paper", "one", "other", "test accuracy")
    noise = np.array([0.0, 0.01, 0.02, -0.01, -0.02])
    assert "| 0.1000 +- 0.0196 | shown |" in claims.verdict(claim, 0.9 + noise, np.full(5, 0.8))
    assert "the opposite is shown" in claims.verdict(claim, 0.7 + noise, np.full(5, 0.8))
    assert "not shown" in claims.verdict(claim, 0.805 + noise, np.full(5, 0.8))
    losses = claim._replace(column="test loss")
    assert "the opposite is shown" in claims.verdict(losses, 0.9 + noise, np.full(5, 0.8))


def test_each_section_has_its_tables_and_its_picture(
    studies: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    made_up = _MadeUp(studies)
    training, concrete, shift = (
        studies(name) for name in ("training_sections", "concrete_digits_section", "shift_section")
    )
    for module in (training, concrete, shift):
        monkeypatch.setattr(module, "results", made_up)
    texts = {
        "digits_blocks": training.blocks_section(tmp_path, 10, 1),
        "digits_early_late": training.early_late_section(tmp_path, 10, 1),
        "digits_concrete": concrete.section(tmp_path, 10, 1),
        "digits_shift": shift.section(tmp_path, 10, 1),
    }
    for name, text in texts.items():
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        assert f"(images/{name}.png)" in text
        assert "nan" not in text
        for table in text.split("\n\n"):
            rows = [line.count("|") for line in table.splitlines() if line.startswith("|")]
            assert len(set(rows)) <= 1, table
    assert "| blocks 0.2 | " in texts["digits_blocks"]
    assert "the calibrated plain net" in texts["digits_shift"]


class _MadeUp:
    """Gives each figure that a study has a number of its own for each arm and seed."""

    def __init__(self, studies: Any) -> None:
        self.studies = studies

    def __call__(self, study: str, seeds: int, processes: int) -> Any:
        random = np.random.default_rng(0)
        names = [f"{part} {score}" for part in ("training", "validation", "test") for score in
                 ("loss", "accuracy")]  # fmt: skip
        module = self.studies(study)
        if study == "concrete_digits":
            names += ["sampled loss", *(f"rate {each}" for each in module.PLACES)]
        if study != "shift":
            return {
                arm: [{name: random.uniform(0.5, 1.0) for name in names} for _ in range(seeds)]
                for arm in module.ARMS
            }
        scores = [f"{raw}{name}" for raw in ("", "raw ") for name in ("nll", "ece", "aurc")]
        found: Any = {arm: [{} for _ in range(seeds)] for arm in module.ARMS}
        for way in self.studies("shift_section").WAYS.values():
            for size in module.SIZES:
                for run in found[f"{way.arm} {size}"]:
                    run[way.method] = {
                        shift: {name: random.uniform(0.5, 1.0) for name in scores}
                        for shift in ("clean", *module.SHIFTS)
                    }
                    run[way.method]["foreign"] = {"auroc by entropy": random.uniform(0.5, 1.0)}
        return found


def test_one_study_leaves_what_the_page_says_of_others(studies: Any) -> None:
    main = _main()
    old = "# Old\n\nhead\n\n## Concrete dropout: synthetic regression\n\nold\n\n### sub\n\nkept\n"
    text = main.page({"blocks": f"## {main.SECTIONS['blocks']}\n\nnew\n"}, old)
    assert text.startswith("# Results of the papers, reproduced\n")
    assert "old\n\n### sub\n\nkept\n\n## DropBlock and its ramp" in text
    assert text.endswith("new\n")
    again = main.page({"blocks": f"## {main.SECTIONS['blocks']}\n\nnewer\n"}, text)
    assert again == text.replace("new\n", "newer\n")
    page = (FOLDER.parents[1] / "docs" / "reproduction.md").read_text()
    for name in ("concrete", "regression", "digits"):
        assert f"## {main.SECTIONS[name]}\n" in page


def test_an_unknown_study_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _main().main(["block"])
    assert "there is no study block. Known: concrete, regression" in capsys.readouterr().err


def _main() -> Any:
    spec = importlib.util.spec_from_file_location("reproduce_main", FOLDER / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
