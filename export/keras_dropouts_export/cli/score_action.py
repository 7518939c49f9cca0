"""What `keras-dropouts score` does: it scores a table and shows how far it is."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from keras_dropouts_export.cli.progress_bar import progress_bar
from keras_dropouts_export.cli.standard_streams import say_report
from keras_dropouts_export.native_messages import held_back
from keras_dropouts_export.scoring.table_scoring import score_file


def score_with_progress(data: Path, out: Path, as_json: bool, options: dict[str, Any]) -> None:
    """Score a table and print the report; a terminal shows how many rows are done."""
    held = nullcontext() if options["engine"] == "local" else _engine_held_back()
    with held, progress_bar("scoring", shown=not as_json) as told:
        report = score_file(data, out, progress=told, **options)
    say_report(report, as_json)


@contextmanager
def _engine_held_back() -> Iterator[None]:
    """Hold back what an engine, its Java and its workers report; this process still complains."""
    logging.getLogger().setLevel(logging.CRITICAL)
    ours = sys.stderr
    with (
        open(os.dup(2), "w", encoding=ours.encoding, errors="backslashreplace") as terminal,
        held_back(shown_on_error=False),
    ):
        sys.stderr = terminal
        try:
            yield
        finally:
            sys.stderr = ours
