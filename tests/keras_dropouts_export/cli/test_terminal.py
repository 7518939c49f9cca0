"""Names in models and paths reach the terminal escaped, also a pseudo-terminal."""

import os
import pty
import re
import struct
import subprocess
import sys
from fcntl import ioctl
from termios import TIOCSWINSZ

import keras
import pytest

from command_line import run
from keras_dropouts_export.checks.parity import ParityReport, ParityRow
from keras_dropouts_export.cli import terminal
from keras_dropouts_export.formats.finding import Finding
from keras_dropouts_export.printable import printable, printable_lines

NASTY = "[red]a\x1b[31m[b]\x07\u202eb\u200f\x9b2J\ud800"


def test_what_is_not_printed_as_itself_is_escaped():
    assert printable("a [b] é 猫") == "a [b] é 猫"
    assert printable("\x1b[2J\n\t\x00") == r"\x1b[2J\n\t\x00"
    assert printable("\u202e\u200b\u2066\u2028\ud800") == r"\u202e\u200b\u2066\u2028\ud800"
    assert printable_lines("a\nb\rc") == "a\nb\\rc"


def no_codes(text):
    return all(each.isprintable() or each == "\n" for each in text)


def test_layers_of_any_name(capsys, tmp_path):
    """TensorFlow traces no layer of such a name, which is an error with the name escaped."""
    layers = [keras.Input((4,), name="x"), keras.layers.Dropout(0.25, name=NASTY[:-1])]
    keras.Sequential([*layers, keras.layers.Dense(2)], name=NASTY[:-1]).save(tmp_path / "m.keras")
    status, out, err = run(capsys, "inspect", tmp_path / "m.keras")
    assert (status, err) == (0, "")
    assert printable(NASTY[:-1]) in out
    assert no_codes(out)
    for command, name in (("export", "m.onnx"), ("strip", "out.keras"), ("doctor", None)):
        status, out, err = run(
            capsys, command, tmp_path / "m.keras", *((name and [tmp_path / name]) or [])
        )
        assert status in (0, 1)
        assert printable(NASTY[:-1]) in out + err
        assert no_codes(out + err)
        assert keras.Variable(0.0, name="v").path == "v", "the name is left behind"


def test_paths_of_any_name(capsys, tmp_path):
    home = tmp_path / NASTY[:-1]
    home.mkdir()
    layers = [keras.Input((4,), name="x"), keras.layers.Dropout(0.25), keras.layers.Dense(2)]
    keras.Sequential(layers, name="m").save(home / "[b]m.keras")
    for target in ("[red].onnx", "[red].tflite", "[red].xml"):
        for command in ("export", "verify"):
            status, out, err = run(capsys, command, home / "[b]m.keras", home / target)
            assert (status, err) == (0, "")
            assert f"{printable(NASTY[:-1])}/{target}" in out
            assert no_codes(out)
    status, out, err = run(capsys, "export", home / "[b]m.keras", home / "served")
    assert (status, out) == (1, "")
    assert "TensorFlow takes [ and ] in a path for a pattern" in err
    assert no_codes(err)


@pytest.mark.parametrize("command", ["inspect", "export", "strip", "verify", "--wrong"])
def test_errors_that_name_a_path_or_an_option(capsys, tmp_path, command):
    paths = [tmp_path / f"{NASTY[:-1]}.keras", "[/b]\x1b[2J"]
    for arguments in ([command, *paths][: 2 if command == "inspect" else 3], [command + NASTY]):
        status, out, err = run(capsys, *arguments)
        assert status in (1, 2)
        assert out == ""
        assert "Error: " in err
        assert no_codes(err)


def test_reports_escape_names():
    rows = (ParityRow("y\x1b[2J", 1, "onnxruntime", 0.0, 1.0, repeatable=True),)
    for each in (Finding("Op\x07", "n\n", "w\x1b"), ParityReport("p\u202e", rows)):
        assert no_codes(str(each))
    assert "y\\x1b[2J" in str(ParityReport("p", rows))


def test_a_table_shows_why_the_verdict_is_not_equal(capsys):
    good = ParityRow("y", 7, "onnxruntime", 0.0, 1.0, repeatable=True)
    bad = ParityRow("y", 7, "onnxruntime, other seed", 3.0, 1.0, repeatable=True)
    terminal.print_parity(ParityReport("m.onnx", (good,), (bad,)))
    out = capsys.readouterr().out
    assert "onnxruntime, other seed" in out
    assert "differs" in out
    assert "m.onnx: NOT equal" in out


def test_the_first_layer_that_differs_is_named(capsys, tmp_path):
    layers = [keras.Input((4,)), keras.layers.Dense(3, name="one"), keras.layers.Dense(2)]
    model = keras.Sequential(layers, name="m")
    model.save(tmp_path / "m.keras")
    assert run(capsys, "export", tmp_path / "m.keras", tmp_path / "m.onnx")[0] == 0
    model.get_layer("one").kernel.assign(model.get_layer("one").kernel + 1.0)
    model.save(tmp_path / "other.keras")
    status, out, _ = run(capsys, "verify", tmp_path / "other.keras", tmp_path / "m.onnx")
    assert status == 1
    assert "the first layer that differs is 'one'" in out


CODE = """
import sys
from pathlib import Path
from keras_dropouts_export.cli import terminal
with terminal.steps(("load", "verify"), shown=True) as step:
    step("verify")
terminal.print_table(("path", "rate"), [(sys.argv[1], "0.5"), ("block/" * 20, "0.25")])
"""


def in_terminal(width, *arguments):
    """Return what a pseudo-terminal of so many columns gets, and the exit status."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            if not part:
                break
            text += part
    os.close(ours)
    return text.decode(), process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 200])
def test_a_terminal_shows_names_and_obeys_none(width):
    text, status = in_terminal(width, NASTY[:-1])
    assert status == 0, text
    assert "\x1b[31m" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "[red]a" in plain
    table = plain[re.search(r"path +rate", plain).start() :]
    lines = [line.rstrip() for line in table.splitlines()]
    assert lines
    assert max(map(len, lines)) <= width
    assert "".join(re.findall(r"[block/]+", "".join(lines))).count("block/") >= 20
