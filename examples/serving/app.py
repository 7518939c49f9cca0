"""Serves an exported .onnx file with FastAPI and onnxruntime, requests put together in batches.

    MODEL=digits.onnx uvicorn app:app

MODEL: the file; MAX_ROWS: rows of a batch and of a request at most; MAX_WAIT: seconds that a
request waits for others; MAX_WAITING: requests that wait before further ones are refused.
"""

import asyncio
import os
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from served_file import INT64, BadRequest, ServedFile

MODEL = os.environ.get("MODEL", "model.onnx")
MAX_ROWS = int(os.environ.get("MAX_ROWS", "64"))
MAX_WAIT = float(os.environ.get("MAX_WAIT", "0.002"))
MAX_WAITING = int(os.environ.get("MAX_WAITING", "1024"))


class Request(BaseModel):
    """Rows of each input, and a seed for each row; seeds are drawn where none are given."""

    model_config = ConfigDict(extra="forbid")
    inputs: dict[str, list[Any]]
    seed: list[Annotated[int, Field(strict=True, ge=INT64[0], le=INT64[1])]] | None = None


class Answer(BaseModel):
    """Rows of each output, the seeds, and with how many rows in all they were run."""

    outputs: dict[str, list[Any]]
    seed: list[int] | None
    batch_rows: int


class Batcher:
    """Runs what waits as one batch, so that a server with many clients calls onnxruntime less."""

    def __init__(self, file):
        self.file = file
        self.waiting = asyncio.Queue(MAX_WAITING)

    async def answer(self, arrays):
        """Return the outputs for the rows of one request, and the number of rows of the batch."""
        done = asyncio.get_running_loop().create_future()
        try:
            self.waiting.put_nowait((arrays, done))
        except asyncio.QueueFull:
            raise HTTPException(503, "Too many requests wait. Try again later.") from None
        return await done

    async def work(self):
        """Run batches until the server ends."""
        left = None
        while True:
            batch = [left or await self.waiting.get()]
            left = await self.collect(batch)
            names = batch[0][0]
            feeds = {name: np.concatenate([x[name] for x, _ in batch]) for name in names}
            sizes = [rows_of(x) for x, _ in batch]
            try:
                outputs = await asyncio.to_thread(self.file.run, feeds)
            except Exception as error:  # noqa: BLE001  (this batch fails, and the server goes on)
                for _, done in batch:
                    if not done.done():
                        done.set_exception(RuntimeError(str(error)))
                continue
            parts = {name: np.split(x, np.cumsum(sizes)[:-1]) for name, x in outputs.items()}
            for number, (_, done) in enumerate(batch):
                if not done.done():  # its client may have left
                    found = {name: x[number] for name, x in parts.items()}
                    done.set_result((found, sum(sizes)))

    async def collect(self, batch):
        """Add what comes within MAX_WAIT; return the request that begins the next batch, or None.

        Rows of other shapes, such as longer sequences, go to another batch.
        """
        deadline = asyncio.get_running_loop().time() + MAX_WAIT
        rows, shapes = rows_of(batch[0][0]), shapes_of(batch[0][0])
        while rows < MAX_ROWS:
            try:
                async with asyncio.timeout_at(deadline):
                    item = await self.waiting.get()
            except TimeoutError:
                return None
            rows += rows_of(item[0])
            if rows > MAX_ROWS or shapes_of(item[0]) != shapes:
                return item
            batch.append(item)
        return None


def rows_of(arrays):
    """Return the number of rows of a request."""
    return len(next(iter(arrays.values())))


def shapes_of(arrays):
    """Return the shapes of the rows of a request."""
    return {name: x.shape[1:] for name, x in arrays.items()}


@asynccontextmanager
async def lifespan(app):
    """Load the file and run its self-test before the first request is taken."""
    app.state.file = await asyncio.to_thread(ServedFile, MODEL)
    app.state.batcher = Batcher(app.state.file)
    worker = asyncio.create_task(app.state.batcher.work())
    yield
    worker.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health():
    """Say that the file is loaded and passed its self-test; before, nothing answers."""
    return {"status": "ready", "self_test": "passed"}


@app.get("/model")
async def model():
    """Say what the file takes and returns, and the names of the classes."""
    file = app.state.file
    inputs = {name: {"type": x.type, "shape": x.shape} for name, x in file.inputs.items()}
    return {"inputs": inputs, "outputs": file.outputs, "labels": file.labels}


@app.post("/predict")
async def predict(request: Request) -> Answer:
    """Answer for the rows of a request."""
    try:
        arrays = app.state.file.arrays(request.inputs, request.seed)
    except BadRequest as error:
        raise HTTPException(422, str(error)) from None
    if rows_of(arrays) > MAX_ROWS:
        raise HTTPException(413, f"A request has at most {MAX_ROWS} rows.")
    outputs, rows = await app.state.batcher.answer(arrays)
    seed = arrays["seed"].tolist() if "seed" in arrays else None
    found = {name: x.tolist() for name, x in outputs.items()}
    return Answer(outputs=found, seed=seed, batch_rows=rows)
