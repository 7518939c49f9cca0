"""Draws the picture of examples/uncertainty.py, from what its files serve."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # told apart by all eyes

Part = tuple[np.ndarray, np.ndarray]
Served = dict[str, np.ndarray]


def draw(
    digits: Served, images: Part, diabetes: Served, patients: Part, coverage: float, path: Path
) -> None:
    """Draw what was calibrated, selected and guaranteed, and single digits."""
    figure = plt.figure(figsize=(13, 6.8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.1, 1))
    left, middle, right = top.subplots(1, 3)
    draw_calibration(left, digits, images[1])
    draw_selection(middle, digits, images[1])
    draw_intervals(right, diabetes, patients[1][:, 0], coverage)
    draw_digits(bottom, digits, images[0])
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_calibration(ax: plt.Axes, served: Served, labels: np.ndarray) -> None:
    """Draw the share of right answers by confidence, before and after calibration."""
    ax.plot([0, 1], [0, 1], ":", color=GREY, label="as sure as right")
    kinds = (("digit_mean", "o--", ORANGE, "before"), ("digit_calibrated", "s-", BLUE, "after"))
    for name, style, colour, when in kinds:
        confidence = served[name].max(axis=1)
        right = served[name].argmax(axis=1) == labels
        groups = np.array_split(np.argsort(confidence), 8)  # of as many digits each
        points = [(confidence[rows].mean(), right[rows].mean()) for rows in groups]
        ax.plot(*zip(*points, strict=True), style, color=colour, label=f"{when} calibration")
    ends = (served["digit_mean"].max(axis=1).min(), 1.02)
    ax.set(title="Sure as often as right", xlabel="how sure the model is", ylabel="share right",
           xlim=ends, ylim=ends)  # fmt: skip
    ax.legend(loc="upper left")


def draw_selection(ax: plt.Axes, served: Served, labels: np.ndarray) -> None:
    """Draw the share of errors among the surest digits, and where the file stops to accept."""
    mean, accepted = served["digit_mean"], served["digit_accept"]
    wrong = (mean.argmax(axis=1) != labels)[np.argsort(-mean.max(axis=1), kind="stable")]
    count = np.arange(1, len(wrong) + 1)
    start = len(wrong) // 20  # the share of errors among few digits says little
    risk = 100 * np.cumsum(wrong) / count
    ax.plot(100 * count[start:] / len(wrong), risk[start:], color=BLUE)
    here = (100 * accepted.mean(), risk[max(int(accepted.sum()) - 1, 0)])
    ax.plot(*here, "o", color=ORANGE, markersize=9)
    ax.annotate(f"accepted: {here[0]:.0f} %\nwrong of them: {here[1]:.1f} %", here,
                xytext=(0.05, 0.72), textcoords="axes fraction", color=ORANGE,
                arrowprops={"arrowstyle": "-", "color": ORANGE})  # fmt: skip
    ax.set(title="Fewer errors where only the sure count", xlabel="share of digits accepted in %",
           ylabel="wrong among them in %", ylim=(0, None))  # fmt: skip


def draw_intervals(ax: plt.Axes, served: Served, truth: np.ndarray, coverage: float) -> None:
    """Draw each patient's interval, and whether the truth is in it."""
    lower, upper = (served[f"progression_{end}"][:, 0] for end in ("lower", "upper"))
    order = np.argsort(served["progression_mean"][:, 0])
    inside = ((truth >= lower) & (truth <= upper))[order]
    place = np.arange(len(order))
    ax.vlines(place, lower[order], upper[order], color="0.82", linewidth=2)
    for which, marker, colour, what in ((inside, "o", BLUE, "in"), (~inside, "x", ORANGE, "out")):
        label = f"truth {what}: {100 * which.mean():.0f} %"
        ax.plot(place[which], truth[order][which], marker, color=colour, markersize=4, label=label)
    ax.set(title=f"Intervals asked to hold {100 * coverage:.0f} %", ylabel="course of diabetes",
           xlabel="patients, by what is predicted")  # fmt: skip
    ax.legend(loc="upper left")


def draw_digits(figure: plt.Figure, served: Served, images: np.ndarray) -> None:
    """Draw single digits from unsure to sure, with their sets."""
    order = np.argsort(served["digit_mean"].max(axis=1))
    shown = order[[0, 1, 2, 3, len(order) // 16, len(order) // 8, len(order) // 2, -1]]
    figure.suptitle("What the file says of single digits: the set, and whether it accepts")
    for ax, row in zip(figure.subplots(1, len(shown)), shown, strict=True):
        accepted = bool(served["digit_accept"][row])
        found = ", ".join(map(str, np.flatnonzero(served["digit_set"][row])))
        ax.imshow(images[row, ..., 0], cmap="gray_r")
        ax.set(xticks=[], yticks=[], title=f"{{{found}}}")
        ax.set_xlabel("accepted" if accepted else "a person looks",
                      color=BLUE if accepted else ORANGE)  # fmt: skip
