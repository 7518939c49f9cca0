"""Reports Monte-Carlo dropout beside a calibrated plain net and an ensemble, under shift."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shift
from claims import direction, half_width, interval
from runs import Results, results
from shift import LONG
from training_sections import COLOURS

TURNED = tuple(f"turned {angle}" for angle in shift.ANGLES)
NOISY = tuple(f"noise {each}" for each in shift.NOISES)
CONDITIONS = {"clean": ("clean",), "turned": TURNED, "noisy": NOISY}


class Way(NamedTuple):
    """A way to predict: its arm, its name there, and whether its temperature was calibrated."""

    arm: str
    method: str
    calibrated: bool


PLAIN, MEMBERS = "plain net", f"ensemble of {shift.MEMBERS}"
ONE, MANY = "dropout net, one pass", f"Monte-Carlo, {shift.SAMPLES} samples"
FEW = f"Monte-Carlo, {shift.MEMBERS} samples"


def _dropout(method: str, calibrated: bool = True, end: str = "") -> Way:
    return Way(f"dropout{end}", f"{method}{end}", calibrated)


WAYS = {
    f"{PLAIN}, as it is": Way("ensemble", "plain", False),
    PLAIN: Way("ensemble", "plain", True),
    f"{PLAIN}{LONG}": Way(f"plain{LONG}", f"plain{LONG}", True),
    ONE: _dropout("one pass"),
    f"{ONE}{LONG}": _dropout("one pass", end=LONG),
    f"{MANY}, as they are": _dropout(f"{shift.SAMPLES} samples", False),
    MANY: _dropout(f"{shift.SAMPLES} samples"),
    f"{FEW}{LONG}": _dropout(f"{shift.MEMBERS} samples", end=LONG),
    f"{MANY}{LONG}, as they are": _dropout(f"{shift.SAMPLES} samples", False, LONG),
    f"{MANY}{LONG}": _dropout(f"{shift.SAMPLES} samples", end=LONG),
    f"{MEMBERS}, as it is": Way("ensemble", MEMBERS, False),
    MEMBERS: Way("ensemble", MEMBERS, True),
}
DRAWN = (PLAIN, ONE, f"{MANY}, as they are", MANY, MEMBERS)


def cost(way: str) -> str:
    """Return the steps of training and the passes in serving, each of one plain net."""
    steps = shift.MEMBERS if LONG in way or MEMBERS in way else 1
    passes = {MANY: shift.SAMPLES, FEW: shift.MEMBERS, MEMBERS: shift.MEMBERS}
    return f"{steps}, {next((n for name, n in passes.items() if way.startswith(name)), 1)}"


def measured(found: Results, size: int, way: str, condition: str, figure: str) -> np.ndarray:
    """Return a figure by seed: the mean over the shifts of a condition."""
    arm, method, calibrated = WAYS[way]
    name = figure if calibrated or condition == "foreign" else f"raw {figure}"
    shifts = CONDITIONS.get(condition, (condition,))
    return np.array(
        [np.mean([run[method][each][name] for each in shifts]) for run in found[f"{arm} {size}"]]
    )


def section(images: Path, seeds: int, processes: int) -> str:
    """Run what is missing, draw it and return the section of the report."""
    found = results("shift", seeds, processes)
    angles, noises = (", ".join(map(str, each)) for each in (shift.ANGLES, shift.NOISES))
    lines = [
        f"Nets learn the digits 0 to 7 and are asked for {shift.TESTED} others: clean ones; turned "
        f"by {angles} degrees; with noise of deviation {noises} on pixels from 0 to 1; and for the "
        'foreign 8 and 9. But for those marked "as it is", each way to predict has a temperature '
        "found on clean digits held out. All nets are one small convolutional net; with dropout, "
        "it is after two convolutions (0.1 and 0.2) and a dense layer (0.5). An ensemble of "
        f"{shift.MEMBERS} costs {shift.MEMBERS} trainings and {shift.MEMBERS} passes; as much as "
        f"training one net with dropout for {shift.MEMBERS} times the steps and taking "
        f"{shift.MEMBERS} samples of it. Figures of turned and noisy digits are means over the "
        f"shifts; means over {seeds} seeds with 95 % confidence intervals. Differences are paired "
        "by seed; lower is better in all of them, and one that says neither better nor worse is "
        "within its interval. Costs are steps of training and passes in serving, of one plain net.",
        "",
    ]
    for size, epochs in shift.SIZES.items():
        lines += [f"### {size:,} digits to learn from, {epochs} epochs", ""]
        for figure in ("nll", "aurc", "ece"):
            lines += _table(found, size, figure)
        lines += _foreign(found, size)
        lines += _differences(found, size)
    _draw(found, images / "digits_shift.png")
    return "\n".join([*lines, "![losses and risks](images/digits_shift.png)", ""])


def _table(found: Results, size: int, figure: str) -> list[str]:
    titles = {
        "nll": "NLL in nats",
        "aurc": "AURC, the area under risk and coverage",
        "ece": "ECE, 15 bins",
    }
    lines = [f"| {titles[figure]} | {' | '.join(CONDITIONS)} |", "|---|---|---|---|"]
    for way in WAYS:
        cells = (interval(measured(found, size, way, each, figure)) for each in CONDITIONS)
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return [*lines, ""]


def _foreign(found: Results, size: int) -> list[str]:
    lines = ["| AUROC of telling 8 and 9 | by entropy | by mutual information |", "|---|---|---|"]
    for way, (arm, method, calibrated) in WAYS.items():
        if not calibrated:
            continue
        scores = found[f"{arm} {size}"][0][method]["foreign"]
        cells = [
            interval(measured(found, size, way, "foreign", name)) if name in scores else ""
            for name in ("auroc by entropy", "auroc by information")
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return [*lines, ""]


def _differences(found: Results, size: int) -> list[str]:
    """Return what is gained, paired by seed: on the plain net, by samples, and on an ensemble."""
    ways = [way for way in WAYS if way not in (PLAIN, f"{PLAIN}, as it is")]
    lines = ["Against the calibrated plain net:", "", *_against(found, size, PLAIN, ways)]
    for end in ("", LONG):
        lines += [f"What samples add to one pass of the same net{end}:", ""]
        lines += _against(found, size, f"{ONE}{end}", [f"{MANY}{end}, as they are", f"{MANY}{end}"])
    lines += [f"Against the {MEMBERS}, at its cost in training:", ""]
    return lines + _against(found, size, MEMBERS, [f"{FEW}{LONG}", f"{ONE}{LONG}"])


def _against(found: Results, size: int, base: str, ways: list[str]) -> list[str]:
    lines = [f"| against {base} | steps, passes | data | NLL | AURC | ECE |", "|---" * 6 + "|"]
    for way in ways:
        for condition in CONDITIONS:
            cells = []
            for figure in ("nll", "aurc", "ece"):
                pair = [measured(found, size, each, condition, figure) for each in (way, base)]
                gain = pair[0] - pair[1]
                cells.append(f"{interval(gain)} {direction(gain)}".strip())
            lines.append(f"| {way} | {cost(way)} | {condition} | {' | '.join(cells)} |")
    return [*lines, ""]


def _draw(found: Results, path: Path) -> None:
    """Draw NLL and AURC by angle and by noise, a row for each size."""
    import matplotlib.pyplot as plt

    panels: list[tuple[str, str, tuple[Any, ...], tuple[str, ...]]] = [
        ("nll", "turned by degrees", (0, *shift.ANGLES), ("clean", *TURNED)),
        ("nll", "deviation of the noise", (0, *shift.NOISES), ("clean", *NOISY)),
        ("aurc", "turned by degrees", (0, *shift.ANGLES), ("clean", *TURNED)),
        ("aurc", "deviation of the noise", (0, *shift.NOISES), ("clean", *NOISY)),
    ]
    figure, axes = plt.subplots(
        len(shift.SIZES), len(panels), figsize=(14, 3.3 * len(shift.SIZES) + 0.5), squeeze=False
    )
    for row, size in zip(axes, shift.SIZES, strict=True):
        for axis, (score, label, ticks, conditions) in zip(row, panels, strict=True):
            for way, colour, marker in zip(DRAWN, COLOURS, "os^vD", strict=True):
                runs = [measured(found, size, way, each, score) for each in conditions]
                name = f"{way}, calibrated" if WAYS[way].calibrated else way
                errors = [half_width(each) for each in runs]
                axis.errorbar(
                    ticks, [each.mean() for each in runs], errors, color=colour, marker=marker,
                    markersize=4, capsize=3, label=name,
                )  # fmt: skip
            axis.set(xlabel=label, ylabel=f"{score.upper()}, {size:,} digits", ylim=(0, None))
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(DRAWN), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.savefig(path, dpi=120)
    plt.close(figure)
