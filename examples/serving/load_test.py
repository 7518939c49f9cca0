"""Measures the FastAPI app beside `session.run` alone, in one run on one machine.

    python load_test.py digits.onnx

It starts the app on the loopback, sends `--requests` requests of one row from `--clients` clients
at once, for at most `--seconds`, and ends the app. Every figure is a ratio to `session.run` alone,
as times of one machine say nothing of another.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from served_file import ServedFile, made

HERE = Path(__file__).parent
START = 120.0  # seconds that the app may take to start


def main():
    """Measure both, and print a table."""
    options = parser().parse_args()
    file = ServedFile(options.model)
    test = json.loads(file.session.get_modelmeta().custom_metadata_map["keras_dropouts.self_test"])
    row = {name: made(each)[:1] for name, each in test["inputs"].items()}
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    sizes = (1, options.clients)
    before = [timed(file, row, rows, options.seconds / 12) for rows in sizes]
    command = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *command, "--log-level", "warning", "--no-access-log"],
        cwd=HERE,
        env={**os.environ, "MODEL": str(options.model.absolute())},
    )
    try:
        wait(port, process)
        times, rows, seconds = load(port, row, options)
    finally:
        process.terminate()
        process.wait(30)
    after = [timed(file, row, rows, options.seconds / 12) for rows in sizes]
    alone, full = (float(np.median(x + y)) for x, y in zip(before, after, strict=True))
    print(table(alone, full, times, rows, seconds, options))


def parser():
    """Return the options."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("model", type=Path)
    found.add_argument("--requests", type=int, default=2048)
    found.add_argument("--clients", type=int, default=64)
    found.add_argument("--seconds", type=float, default=60.0)
    return found


def timed(file, row, rows, seconds):
    """Return the times of calls of `session.run` for a number of rows, in seconds."""
    inputs = {name: np.repeat(x, rows, axis=0) for name, x in row.items()}
    for _ in range(3):
        file.run(inputs)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 200 and time.perf_counter() < end:
        start = time.perf_counter()
        file.run(inputs)
        times.append(time.perf_counter() - start)
    return times


def wait(port, process):
    """Wait until the app answers."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SystemExit("The app did not start.")


def load(port, row, options):
    """Return the time of each request, the rows of its batch, and how long all took."""
    inputs = {name: x.tolist() for name, x in row.items() if name != "seed"}
    body = json.dumps({"inputs": inputs, **({"seed": [7]} if "seed" in row else {})})
    numbers = iter(range(options.requests))
    lock, times, rows, failed = threading.Lock(), [], [], []
    end = time.monotonic() + options.seconds

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            with lock:
                if next(numbers, None) is None:
                    break
            start = time.perf_counter()
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            took = time.perf_counter() - start
            with lock:
                if answer.status == 200:
                    times.append(took)
                    rows.append(json.loads(text)["batch_rows"])
                else:
                    failed.append(text)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(options.clients)]
    start = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failed or not times:
        raise SystemExit(f"{len(failed)} requests failed: {failed[:1]}")
    return times, rows, time.perf_counter() - start


def table(alone, full, times, rows, seconds, options):
    """Return what was measured."""
    rate = len(times) / seconds
    percentiles = zip((50, 95, 99), np.percentile(times, (50, 95, 99)), strict=True)
    # A batch of n rows is counted by its n requests.
    batches = float(np.sum(1 / np.array(rows)))
    one, many = "`session.run` with one row", f"`session.run` with {options.clients} rows"
    ratios = {
        f"requests a second, to calls a second of {one}": f"{rate * alone:.2f}",
        f"requests a second, to rows a second of {many}": f"{rate * full / options.clients:.2f}",
        **{
            f"time of a request, {p}th percentile, to the time of {one}": f"{value / alone:.1f}"
            for p, value in percentiles
        },
    }
    head = (
        f"{len(times)} requests of one row, {options.clients} clients, "
        f"{len(times) / batches:.1f} rows in a batch on average"
    )
    rows_of_table = [f"| {what} | {ratio} |" for what, ratio in ratios.items()]
    return "\n".join([head, "", "| | ratio |", "|---|---|", *rows_of_table])


if __name__ == "__main__":
    main()
