"""Reports the rates that concrete dropout learns by the size of the data, and their worth."""

from __future__ import annotations

from pathlib import Path

import concrete_digits
from claims import HEAD, Claim, half_width, interval, verdict
from runs import Results, results
from training_sections import ACCURACY, COLOURS, GAL, LOSS, values

KINDS, SIZES, PLACES = concrete_digits.KINDS, concrete_digits.SIZES, concrete_digits.PLACES
SAMPLED = "sampled loss"


def section(images: Path, seeds: int, processes: int) -> str:
    """Run what is missing, draw it and return the section of the report."""
    found = results("concrete_digits", seeds, processes)
    columns = ("training loss", LOSS, ACCURACY)
    lines = [
        f"Two hidden layers of {concrete_digits.UNITS}, dropout before each of the three dense "
        f"layers, {concrete_digits.STEPS:,} steps of 64 whatever the size; "
        '`ConcreteDropout(layer, data_size=N, loss="crossentropy")` starts at 0.1. Means over '
        f"{seeds} seeds with 95 % confidence intervals; the sampled loss is that of the mean of "
        f"{concrete_digits.SAMPLES} Monte-Carlo samples.",
        "",
        f"| N | dropout | {' | '.join((*columns, SAMPLED))} |",
        "|---" * (len(columns) + 3) + "|",
    ]
    for size in SIZES:
        for kind in KINDS:
            runs = found[f"{kind} {size}"]
            shown = [interval(values(runs, column)) for column in columns]
            shown.append(interval(values(runs, SAMPLED)) if SAMPLED in runs[0] else "")
            lines.append(f"| {size} | {kind} | {' | '.join(shown)} |")
    lines += ["", f"| N | {' | '.join(f'rate {each}' for each in PLACES)} |", "|---|---|---|---|"]
    for size in SIZES:
        runs = found[f"concrete {size}"]
        cells = (interval(values(runs, f"rate {each}"), 3) for each in PLACES)
        lines.append(f"| {size} | {' | '.join(cells)} |")
    _draw(found, images / "digits_concrete.png")
    lines += ["", "![rates and losses](images/digits_concrete.png)", ""]
    lines += ["### What of the paper shows", "", *_falls(found), "", *HEAD]
    for size in SIZES:
        for worse, column in ((KINDS[0], LOSS), (KINDS[1], LOSS), (KINDS[1], SAMPLED)):
            paper = f"{GAL}, N = {size}"
            both = (values(found[f"{kind} {size}"], column) for kind in ("concrete", worse))
            lines.append(verdict(Claim(paper, "concrete", worse, column), *both))
    return "\n".join([*lines, ""])


def _falls(found: Results) -> list[str]:
    small, large = (found[f"concrete {size}"] for size in (min(SIZES), max(SIZES)))
    lines = []
    for each in PLACES:
        pairs = zip(values(small, f"rate {each}"), values(large, f"rate {each}"), strict=True)
        count = sum(after < before for before, after in pairs)
        lines.append(
            f"- The learned rate of `{each}` falls from N = {min(SIZES)} to {max(SIZES)} on "
            f"{count} of {len(small)} seeds."
        )
    return lines


def _draw(found: Results, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    for each, colour, marker in zip(PLACES, COLOURS, "os^", strict=False):
        runs = [values(found[f"concrete {size}"], f"rate {each}") for size in SIZES]
        errors = [half_width(x) for x in runs]
        left.errorbar(
            SIZES, [x.mean() for x in runs], errors, color=colour, marker=marker, capsize=3,
            label=each,
        )  # fmt: skip
    for kind, colour, marker in zip(KINDS, COLOURS, "os^", strict=False):
        runs = [values(found[f"{kind} {size}"], LOSS) for size in SIZES]
        errors = [half_width(x) for x in runs]
        right.errorbar(
            SIZES, [x.mean() for x in runs], errors, color=colour, marker=marker, capsize=3,
            label=kind,
        )  # fmt: skip
    left.set(xscale="log", xlabel="digits to learn from", ylabel="learned rate", ylim=(0, None))
    right.set(xscale="log", yscale="log", xlabel="digits to learn from", ylabel="test loss in nats")
    for axis in (left, right):
        axis.legend(title="dropped" if axis is left else None)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
