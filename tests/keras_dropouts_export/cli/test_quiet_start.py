"""Tests which messages are held back while TensorFlow starts, and when they are shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_dropouts_export.native_messages import held_back


def test_what_native_code_writes_is_held_back(capfd):
    with held_back(shown_on_error=True):
        os.write(2, b"noise")
    os.write(2, b"signal")
    assert capfd.readouterr().err == "signal"


def test_it_is_not_shown_where_the_error_says_it_all(capfd):
    def fail():
        with held_back(shown_on_error=False):
            os.write(2, b"each step")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert capfd.readouterr().err == ""


def test_it_is_shown_when_something_goes_wrong(capfd):
    def fail():
        with held_back(shown_on_error=True):
            os.write(2, b"the reason")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert capfd.readouterr().err == "the reason"


@pytest.mark.slow
def test_the_command_writes_nothing_but_its_own_words(tmp_path):
    command = [Path(sys.executable).with_name("keras-dropouts"), "inspect", "nothing.keras"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "Error: Invalid value for argument `model`. Expected a .keras file that exists. "
        "Received: model='nothing.keras'\n"
    )
