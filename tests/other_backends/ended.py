"""Is ended while it exports, or its other process is; run as a program."""

import os
import signal
import sys
import time
from pathlib import Path

import keras
from keras import layers

import keras_dropouts_export as kde

path, how = Path(sys.argv[1]), sys.argv[2]
model = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="ended")


def other_processes():
    """Return the ids of the processes that this one started and that still run."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(int(each.parent.name))
    return found


def end(step):
    """End something in the middle of the export."""
    if step != "convert":
        return
    print("temporary folders:", len(list(path.parent.glob(".*.export"))))
    if how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    if how == "terminate":
        print("started", *other_processes(), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if how == "raise":
        raise LookupError("of the user's own")
    for process in other_processes():
        os.kill(process, signal.SIGKILL)


try:
    kde.export_onnx(model, path, progress=end)
except (KeyboardInterrupt, LookupError, kde.ExportError) as error:
    print(type(error).__name__, error)
print("left:", other_processes(), sorted(each.name for each in path.parent.glob(".*.export")))
