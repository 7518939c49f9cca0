"""Streams that are closed, full or read by nobody, and homes and folders that cannot be written."""

import os
import subprocess
import sys

import keras
import pytest

from keras_dropouts_export.cli import standard_streams

# As the command line, the package imports nothing that writes to standard error itself.
CODE = """
import sys
sys.argv = ["keras-dropouts"]
from keras_dropouts_export.cli import standard_streams as streams
streams.prepare()
{body}
"""
SAYING = "streams.write('x' * 100000); streams.write('again'); streams.complain('Error: wrong')"


def shell(command, body=SAYING, **options):
    script = CODE.format(body=body)
    environment = {**os.environ, "PYTHON": sys.executable, "SCRIPT": script}
    command = command.replace("RUN", '"$PYTHON" -c "$SCRIPT"')
    bash = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(bash, capture_output=True, text=True, env=environment, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "out", "err"),
    [
        ("RUN 2>&-", "Error: wrong", ""),
        ("RUN >&-", "", "Error: wrong"),
        ("RUN <&-", "again", "Error: wrong"),
        ("RUN <&- >&- 2>&-", "", ""),
        ("RUN | head -c 3", "xxx", "Error: wrong"),
        ("(RUN 2>&1 >/dev/null) 2>&1 | head -c 3", "Err", ""),
        ("RUN 2>/dev/full", "again", ""),
    ],
)
def test_streams_that_are_closed_or_read_no_more(command, out, err):
    done = shell(command)
    assert done.returncode == 0, done.stderr
    assert out in done.stdout
    assert done.stderr.strip() == err


@pytest.mark.slow
def test_a_full_disk_behind_standard_output_is_an_error():
    body = "\ntry: streams.write('x')\nexcept OSError as error: streams.complain(error)"
    done = shell("RUN >/dev/full", body)
    assert done.returncode == 0, done.stderr
    assert "The standard output cannot be written: No space left on device" in done.stderr


@pytest.mark.slow
def test_no_file_gets_the_number_of_a_closed_stream():
    body = "file = open('/dev/null'); streams.complain(file.fileno())"
    done = shell("RUN >&- <&-", body)
    assert int(done.stderr) > 2


def test_characters_that_a_stream_cannot_encode(tmp_path):
    body = "streams.write('\\u732b \\ud800')"
    done = shell("PYTHONIOENCODING=ascii RUN", body)
    assert done.stdout == "\\u732b \\ud800\n"


def test_output_without_streams(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    standard_streams.prepare()
    standard_streams.say("x")
    standard_streams.complain("x")


@pytest.mark.slow
def test_the_command_line_without_a_home_in_a_folder_that_is_read_only(tmp_path):
    """Root may write anywhere, so the command runs as nobody where it can."""
    keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5, name="drop")]).save(
        tmp_path / "m.keras"
    )
    (tmp_path / "here").mkdir(mode=0o555)
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.getuid() and each != each.parent:
            each.chmod(each.stat().st_mode | 0o055)
    command = [sys.executable, "-m", "keras_dropouts_export.cli", "inspect", tmp_path / "m.keras"]
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    for home in ({}, {"HOME": "/nonexistent"}, {"HOME": str(tmp_path / "here")}):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path / "here",
            env={**environment, **home},
        )
        assert done.returncode == 0, done.stderr
        assert "drop" in done.stdout
        assert "Traceback" not in done.stderr
