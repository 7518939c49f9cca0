"""Tests of temporary folders: left alone while their owner lives, named and removed after."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from keras_dropouts_export.destination import ending_signals, recover, work_folder, workplace


def left_behind(target):
    """Return a folder that an export of another process left, the lock gone with the process."""
    with workplace(target) as work:
        name = work
    name.mkdir()
    (name / "owner").write_text("123 on here\n")
    (name / "half").mkdir()
    (name / "half" / "written").write_text("x")
    return name


@pytest.mark.parametrize("name", ["m.onnx", "m", "ä" * 100, "[m]*.onnx", "m" * 250])
def test_a_folder_whose_owner_is_gone_is_named_and_removed(name, tmp_path):
    work = left_behind(tmp_path / name)
    with pytest.warns(UserWarning, match="was killed before it ended") as caught:
        recover(tmp_path / name)
    assert repr(str(work)) in str(caught[0].message)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_owner_lives_is_left_alone(tmp_path):
    with workplace(tmp_path / "m.onnx") as work:
        (work / "half").write_text("x")
        recover(tmp_path / "m.onnx")
        assert (work / "half").exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_other_paths_and_of_users_are_left_alone(tmp_path):
    left_behind(tmp_path / "other.onnx")
    (tmp_path / ".m.onnx.abcdefgh.export").mkdir()
    (tmp_path / ".m.onnx.abcdefgh.export" / "thesis.txt").write_text("precious")
    (tmp_path / ".m.onnx.mine.export").mkdir()
    before = sorted(os.listdir(tmp_path))
    recover(tmp_path / "m.onnx")
    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_never_had_an_owner_is_removed_after_a_time(tmp_path):
    work = tmp_path / ".m.onnx.abcdefgh.export"
    work.mkdir()
    recover(tmp_path / "m.onnx")
    assert work.is_dir()
    os.utime(work, (0, 0))
    with pytest.warns(UserWarning, match="was killed"):
        recover(tmp_path / "m.onnx")
    assert not work.exists()


def test_a_drive_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(work_folder.fcntl, "flock", refuse)
    with workplace(tmp_path / "m.onnx") as work:
        recover(tmp_path / "m.onnx")
        assert work.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_disk_say_what_was_not_written(tmp_path):
    with (
        pytest.raises(
            OSError, match=r"Nothing was written at '.*m\.onnx': No space left"
        ) as caught,
        workplace(tmp_path / "m.onnx"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


ENDING = """
import os, signal, sys
from pathlib import Path
from keras_dropouts_export.destination import workplace
signal.signal(signal.{signal}, signal.SIG_DFL)  # it is ignored where the tests run by `nohup`
{before}
with workplace(Path(sys.argv[1])) as work:
    (work / "half").write_text("x")
    os.kill(os.getpid(), signal.{signal})
    {inside}
print("after", flush=True)
"""


def ended(tmp_path, number, before="", inside=""):
    script = textwrap.dedent(ENDING).format(signal=number, before=before, inside=inside)
    return subprocess.run(
        [sys.executable, "-c", script, tmp_path / "m.onnx"], capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_process_cleans_up_first(number, tmp_path):
    done = ended(tmp_path, number)
    assert done.returncode == -getattr(signal, number), done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_signal_that_is_ignored_or_handled_ends_nothing(tmp_path):
    for handler in ("signal.SIG_IGN", "lambda *_: print('mine', flush=True)"):
        done = ended(tmp_path, "SIGTERM", f"signal.signal(signal.SIGTERM, {handler})")
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == (["after"] if "IGN" in handler else ["mine", "after"])
        assert list(tmp_path.iterdir()) == []


def test_handlers_are_put_back():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in numbers]
    with ending_signals.unwinding(), ending_signals.held_signals():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(each) for each in numbers] == before


def test_a_signal_is_held_back_until_the_block_ends():
    done = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted():
        with ending_signals.held_signals():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    signal.signal(signal.SIGINT, before)
    assert done == [True]


def test_other_threads_handle_no_signals(tmp_path):
    handlers = []

    def work():
        with workplace(tmp_path / "m.onnx"), ending_signals.held_signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
