"""Says in a few lines what a report holds; the rest is printed with `--verbose`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from keras_dropouts_export.checks.parity import ParityReport
from keras_dropouts_export.models.strip import StripReport
from keras_dropouts_export.printable import printable
from keras_dropouts_export.report import ExportReport, head_of

_MORE = "Every layer and comparison: --verbose"


def of_export(report: ExportReport) -> str:
    """Return what was written, and that it is the model."""
    shared = len(report.shared_draws)
    lines = [
        *head_of(report),
        *([f"  rows of a batch share what {shared} layers draw"] if shared else []),
        f"  audit   {report.audit.operations:,} operations, none of them left from training: ok",
        f"  parity  {_compared(report.parity)}: equal, {_error(report.parity)}",
        *(f"  {line}" for line in str(report.loss or "").splitlines()),
        f"  {_MORE}",
    ]
    return "\n".join(lines)


def of_parity(report: ParityReport) -> str:
    """Return the verdict on an artifact that is equal, and what it rests on."""
    lines = [f"{printable(report.path)}: equal, {_error(report)}", f"  {_compared(report)}"]
    lines += [f"  {each}" for each in report.coverage]
    return "\n".join([*lines, f"  {_MORE}"])


def of_rewritten(report: StripReport, out: Path) -> str:
    """Return how many rates became what, and where the model is."""
    counts = Counter(row.what for row in report.rows)
    said = ", ".join(f"{count} {what}" for what, count in counts.items()) or "none"
    proven = f"{printable(out)}: its predictions equal the model's, bit for bit"
    return f"dropout rates: {said}\n{proven}\n{_MORE}"


def _compared(report: ParityReport) -> str:
    runtimes = " and ".join(dict.fromkeys(row.runtime for row in report.rows))
    other = f", {len(report.other_seed)} with another seed" if report.other_seed else ""
    return f"{len(report.rows)} outputs compared in {runtimes}{other}"


def _error(report: ParityReport) -> str:
    return f"largest error {report.max_abs_error:.3g}"
