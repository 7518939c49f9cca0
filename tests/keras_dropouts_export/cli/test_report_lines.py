"""Tests that a terminal gets a report wrapped at its width and in colour, and nothing else does."""

import io

import pytest

from keras_dropouts_export.cli.report_lines import coloured, laid_out, wrapped


class Terminal(io.StringIO):
    """A stream that says that a person reads it."""

    def isatty(self):
        return True


REPORT = "net: NOT equal, largest error 3\n    " + "a layer of a long name " * 6 + "x/" * 60


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_pipe_gets_the_text_as_it_is():
    assert laid_out(REPORT, io.StringIO()) == laid_out(REPORT, None) == REPORT


def test_a_terminal_gets_lines_that_fit_and_no_word_is_cut():
    lines = laid_out(REPORT, Terminal()).split("\n")
    assert lines[0] == "net: \x1b[31mNOT equal\x1b[0m, largest error 3"
    words = [line for line in lines[1:] if "x/" not in line]
    assert all(len(line) <= 60 and line.startswith("    ") for line in words)
    assert any(line.strip() == "x/" * 60 for line in lines)
    assert " ".join(" ".join(lines[1:]).split()) == " ".join(REPORT.split("\n")[1].split())


@pytest.mark.parametrize("width", [60, 200])
def test_later_lines_are_indented_further(width):
    first, *later = wrapped("  error: " + "word " * 80, width)
    assert first.startswith("  error: word")
    assert later
    assert all(line.startswith("    word") and len(line) <= width for line in later)
    assert wrapped("    short", width) == ["    short"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("  error: drop (Dropout) trains", 31),
        ("Error: no such file", 31),
        ("  warning: lstm (LSTM) draws", 33),
        ("  y  batch 1  onnxruntime  error 0 of 1  ok", 32),
        ("m.onnx: equal, largest error 0", 32),
        ("  y  batch 1  differs", 31),
    ],
)
def test_verdicts_have_a_colour(line, code, monkeypatch):
    assert f"\x1b[{code}m" in coloured(line)
    assert coloured(line).count("\x1b[0m") == 1
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(line) == line
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured(line) == line


def test_what_is_no_verdict_has_none():
    for line in ("    error 1e-7 of 1e-4", "net: 2 errors, 1 warning", "a token", "equality"):
        assert coloured(line) == line
