"""Reports the studies of dropout in training on digits of 28 x 28 pixels: tables and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import blocks
import early_late
import numpy as np
from claims import HEAD, Claim, half_width, interval, verdict
from runs import Results, results

# Okabe and Ito's, which all eyes tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")
LOSS, ACCURACY, HELD_OUT = "test loss", "test accuracy", "validation loss"
GHIASI, LIU, MORERIO, GAL = (
    "Ghiasi et al. (2018)",
    "Liu et al. (2023)",
    "Morerio et al. (2017)",
    "Gal et al. (2017)",
)


def values(runs: list[dict[str, Any]], column: str) -> np.ndarray:
    """Return one figure of an arm, by seed."""
    return np.array([each[column] for each in runs])


def table(names: dict[str, str], found: Results, columns: tuple[str, ...]) -> list[str]:
    """Return a table with a row for each arm, given by what it is called."""
    lines = [f"| dropout | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, arm in names.items():
        cells = (interval(values(found[arm], column)) for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def claims(rows: list[tuple[Claim, str, str]], found: Results) -> list[str]:
    """Return the table of claims, each with the arms that are compared."""
    lines = ["### What of the papers shows", "", *HEAD]
    for claim, better, worse in rows:
        both = (values(found[arm], claim.column) for arm in (better, worse))
        lines.append(verdict(claim, *both))
    return [*lines, ""]


def blocks_section(images: Path, seeds: int, processes: int) -> str:
    """Report blocks, units and nothing, each at the rate that held-out digits chose."""
    found = results("blocks", seeds, processes)
    lines = [
        f"Feature maps of 14 x 14 are dropped from after two convolutions, in blocks of "
        f"{blocks.BLOCK} x {blocks.BLOCK} or unit by unit, at the rates "
        f"{' and '.join(map(str, blocks.RATES))}; the ramp rises from 0 over all of the training. "
        f"Means over {seeds} seeds, each with its own split, with 95 % confidence intervals. The "
        "papers' claims are tested at that rate of each kind whose mean loss on 1,000 digits for "
        "validation is lower, and on 3,000 others.",
        "",
    ]
    rows, groups = [], {}
    for size, epochs in blocks.SIZES.items():
        arms = {arm.rpartition(" ")[0]: arm for arm in blocks.ARMS if arm.endswith(f" {size}")}
        lines += [f"### {size} digits to learn from, {epochs} epochs", ""]
        lines += table(arms, found, ("training loss", HELD_OUT, LOSS, ACCURACY))
        best = {kind: _best(kind, arms, found) for kind in blocks.KINDS}
        names = {kind: arm.rpartition(" ")[0] for kind, arm in best.items()}
        for better, worse in (
            ("blocks", "units"),
            ("blocks", "none"),
            ("units", "none"),
            ("blocks, ramp", "blocks"),
        ):
            # Of plain dropout after convolutions the paper says that it helps less than blocks.
            paper = GHIASI if better != "units" else "(dropout itself)"
            claim = Claim(f"{paper}, {size} digits", names[better], names[worse], ACCURACY)
            for each in (claim, claim._replace(column=LOSS)):
                rows.append((each, best[better], best[worse]))
        groups[f"{size} digits"] = arms
    _draw_groups(groups, found, images / "digits_blocks.png")
    picture = ["![test accuracies](images/digits_blocks.png)", ""]
    return "\n".join([*lines, *picture, *claims(rows, found)])


def _best(kind: str, arms: dict[str, str], found: Results) -> str:
    of_kind = [arm for name, arm in arms.items() if name.rstrip(" .0123456789") == kind]
    return min(of_kind, key=lambda arm: values(found[arm], HELD_OUT).mean())


def early_late_section(images: Path, seeds: int, processes: int) -> str:
    """Report early dropout where a net underfits, and late dropout where one overfits."""
    found = results("early_late", seeds, processes)
    lines = [
        f"Feed-forward nets with dropout after both hidden layers; means over {seeds} seeds, each "
        "with its own split, with 95 % confidence intervals. Early dropout falls to 0 over the "
        "first third of the training, late dropout begins after half of it, and the curriculum "
        "rises over all of it.",
        "",
    ]
    groups = {}
    for name, regime in early_late.REGIMES.items():
        title = (
            f"A net that {name}: {regime.size:,} digits, {regime.units} units, "
            f"{regime.epochs} epochs, rate {regime.rate}"
        )
        arms = {kind: f"{name} {kind}" for kind in regime.kinds}
        lines += [f"### {title}", ""]
        lines += table(arms, found, ("training loss", LOSS, ACCURACY))
        groups[f"a net that {name}"] = arms
    rows = [
        (LIU, "underfits", "early", "none", "training loss"),
        (LIU, "underfits", "early", "none", LOSS),
        (LIU, "underfits", "early", "constant", "training loss"),
        (LIU, "overfits", "late", "constant", LOSS),
        (LIU, "overfits", "late", "none", LOSS),
        (LIU, "overfits", "late", "constant", ACCURACY),
        (MORERIO, "overfits", "curriculum", "constant", ACCURACY),
        (MORERIO, "overfits", "curriculum", "constant", LOSS),
    ]
    said = [
        (Claim(f"{paper}, a net that {net}", one, two, column), f"{net} {one}", f"{net} {two}")
        for paper, net, one, two, column in rows
    ]
    _draw_groups(groups, found, images / "digits_early_late.png")
    picture = ["![test accuracies](images/digits_early_late.png)", ""]
    return "\n".join([*lines, *picture, *claims(said, found)])


def _draw_groups(groups: dict[str, dict[str, str]], found: Results, path: Path) -> None:
    """Draw the test accuracy of each arm, a panel for each group."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(groups), figsize=(11, 3.8))
    for axis, (title, arms) in zip(axes, groups.items(), strict=True):
        found_here = [100.0 * values(found[arm], ACCURACY) for arm in arms.values()]
        for place, each in enumerate(found_here):
            shown = {"fmt": "o", "capsize": 4, "color": COLOURS[0]}
            axis.plot([place] * len(each), each, ".", color="0.75", zorder=0)
            axis.errorbar(place, each.mean(), half_width(each), **shown)
        axis.set_xticks(range(len(arms)), [each.replace(" ", "\n") for each in arms], fontsize=8)
        axis.set(title=title, ylabel="test accuracy in %")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
