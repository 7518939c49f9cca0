"""Trains in two processes with PyTorch's DistributedDataParallel, stops, and goes on."""

import os

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # with GPUs: one for each process, and "nccl"

import socket

import keras
import numpy as np
import one_model
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import keras_dropouts as kd

PROCESSES = 2


def fit(model, epochs, rank):
    """Train on the rows of each batch that this process has."""
    x, y = (torch.from_numpy(each) for each in one_model.data())
    parallel = DistributedDataParallel(model)
    share = one_model.BATCH // PROCESSES
    for _ in range(epochs):
        for start in range(rank * share, one_model.ROWS, one_model.BATCH):
            model.zero_grad()
            outputs = parallel(x[start : start + share], training=True)
            loss = model.compute_loss(y=y[start : start + share], y_pred=outputs)
            loss.backward()  # here the processes take the mean of their gradients
            weights = model.trainable_weights
            with torch.no_grad():
                model.optimizer.apply([each.value.grad for each in weights], weights)


def work(rank, port):
    """Be one of the processes."""
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("gloo", address, rank=rank, world_size=PROCESSES)

    # Each process draws masks of its own, though both hold the same seed and the same step.
    layer = kd.ScheduledDropout(0.5, seed=1)
    mine = layer(torch.ones(1, 64), training=True).detach()
    both = [torch.empty_like(mine) for _ in range(PROCESSES)]
    distributed.all_gather(both, mine)
    assert not torch.equal(*both)
    assert layer.step == 1
    print(f"process {rank}: masks differ between the processes", flush=True)

    whole = one_model.model()
    fit(whole, 4, rank)
    one_model.check_steps(whole, 4)
    half = one_model.model()
    fit(half, 2, rank)
    path = f"ddp.{rank}.keras"  # one file is enough: all processes hold the same
    half.save(path)
    resumed = keras.saving.load_model(path)
    fit(resumed, 2, rank)
    one_model.check_steps(resumed, 4)
    one_model.check_equal(one_model.state(whole), one_model.state(resumed))

    # The processes hold the same weights, rates and steps.
    for each in one_model.state(whole):
        mine = torch.from_numpy(np.atleast_1d(each))
        both = [torch.empty_like(mine) for _ in range(PROCESSES)]
        distributed.all_gather(both, mine)
        assert torch.equal(*both)
    print(f"process {rank}: rates and steps agree, and the resumed run is the same to the bit")
    distributed.destroy_process_group()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, args=(port,), nprocs=PROCESSES)
