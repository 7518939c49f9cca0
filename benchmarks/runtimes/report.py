"""Writes what became of every artifact in every runtime as Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import outcomes
from artifacts import SAMPLES, SEEDS, Artifact
from outcomes import Outcome
from runtime_table import Runtime

Results = dict[str, dict[str, Outcome]]  # by runtime, by artifact

_SHORT = {
    outcomes.REFUSED: "refused",
    outcomes.FAILS: "does not run",
    outcomes.ENDS: "process ends",
    outcomes.SLOW: "too slow",
    outcomes.NOT_WRITTEN: "no file",
    outcomes.NOT_HERE: "not here",
}


def cell(found: Outcome | None) -> str:
    """Return one field of the table."""
    if found is None:
        return ""
    if found.kind in _SHORT:
        return _SHORT[found.kind]
    differs = "**other shape**" if found.error is None else f"**differs {found.error:.1g}**"
    text = "equal" if found.kind == outcomes.EQUAL else differs
    if found.masks is None:
        return text
    return f"{text}, masks" if found.masks else f"{text}, **other masks**"


def table(artifacts: Sequence[Artifact], runtimes: Sequence[Runtime], results: Results) -> str:
    """Return a row for each artifact and a column for each runtime."""
    head = ["artifact", *(runtime.name for runtime in runtimes)]
    rows = [head, ["---"] * len(head)]
    for artifact in artifacts:
        found = [results.get(runtime.name, {}).get(artifact.name) for runtime in runtimes]
        rows.append([artifact.name, *map(cell, found)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def reasons(runtimes: Sequence[Runtime], results: Results) -> str:
    """Return for each runtime why it does not give Keras's answers, with the artifacts."""
    lines = []
    for runtime in runtimes:
        why: dict[str, list[str]] = defaultdict(list)
        for artifact, found in results.get(runtime.name, {}).items():
            if found.kind in _SHORT:
                why[f"{found.kind}: {found.reason}"].append(artifact)
            elif not found.ok:
                size = found.reason if found.error is None else f"by {found.error:.2g}"
                why[f"answers wrongly: {size}"].append(artifact)
        if why:
            lines.append(f"**{runtime.name}**\n")
            lines += [f"- {', '.join(names)}: {_escaped(text)}" for text, names in why.items()]
            lines.append("")
    return "\n".join(lines).rstrip()


def _escaped(text: str) -> str:
    kind, _, reason = text.partition(": ")
    return f"{kind}: ``{reason}``" if reason else kind


def versions(runtimes: Sequence[Runtime], results: Results) -> str:
    """Return a row for each runtime: its version, how it was run, how many it answers as Keras."""
    rows = ["| runtime | version | how | as Keras, of |", "|---|---|---|---|"]
    for runtime in runtimes:
        found = results.get(runtime.name, {}).values()
        version = next((each.version for each in found if each.version), "not known")
        right = sum(each.ok for each in found)
        rows.append(f"| {runtime.name} | {version} | {runtime.note} | {right} of {len(found)} |")
    return "\n".join(rows)


def machine() -> str:
    """Return in words on what the table was made."""
    program = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=False)
    browser = program.stdout.split(" built")[0].strip() or "no Chromium"
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, no GPU; Python "
        f"{platform.python_version()}, Node {node.stdout.strip().lstrip('v')}, {browser}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def page(
    artifacts: Sequence[Artifact], runtimes: Sequence[Runtime], results: Results, words: str
) -> str:
    """Return the Markdown between the marks of docs/runtimes.md."""
    models = "\n".join(f"| {each.name} | {each.what} |" for each in artifacts)
    return f"""{words}

{versions(runtimes, results)}

{table(artifacts, runtimes, results)}

The artifacts, each asked with {len(SEEDS)} rows and with the last row alone. Those with \
`samples={SAMPLES}` get the seeds {", ".join(map(str, SEEDS))} where nothing else is said.

| artifact | model |
|---|---|
{models}

### Why not

{reasons(runtimes, results)}"""


def as_json(results: Results) -> dict[str, Any]:
    """Return the outcomes as what JSON holds."""
    return {
        runtime: {name: found.as_json() for name, found in row.items()}
        for runtime, row in results.items()
        if row
    }
