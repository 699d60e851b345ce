"""The numbers of benches/common/inputs.rs, and the shape of a peer's program (benches/common/peer.rs)."""

import os
import sys
import time

import numpy as np

# PEER_DEVICE=cuda computes on the first GPU, as our programs do with the feature `cuda`.
DEVICE = os.environ.get("PEER_DEVICE", "cpu")


def values(seed, shape, scale=1.0):
    """Uniform in [-0.5, 0.5) times `scale`: a hash of the seed and the place."""
    out = np.empty(int(np.prod(shape)), dtype=np.float32)
    block = 1 << 20
    for first in range(0, out.size, block):
        x = np.arange(first, min(out.size, first + block), dtype=np.uint32) * np.uint32(0x9E3779B1)
        x += np.uint32(seed * 0x85EBCA77 & 0xFFFFFFFF)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
        x ^= x >> np.uint32(15)
        unit = (x >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)
        out[first : first + x.size] = unit * np.float32(scale)
    return out.reshape(shape)


def tensor(seed, shape, scale=1.0):
    """The same numbers as a tensor of PyTorch on the device."""
    import torch

    return torch.from_numpy(values(seed, shape, scale)).to(DEVICE)


def main(works):
    """Runs `<program> <work> <repetitions>`: a line `time <seconds>` for each repetition, at last `check <number>`.

    A work makes its inputs and returns a step, which calls `start` and `stop` around what counts and returns its check number.
    """
    import torch

    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    torch.set_default_device(DEVICE)
    if "faiss" in sys.modules:
        sys.modules["faiss"].omp_set_num_threads(threads)
    step, repetitions = works[sys.argv[1]](), int(sys.argv[2])
    spent = started = 0.0

    def now():
        if DEVICE != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()

    def start():
        nonlocal started
        started = now()

    def stop():
        nonlocal spent
        spent += now() - started

    check = step(start, stop)
    for _ in range(repetitions):
        spent = 0.0
        check = step(start, stop)
        print(f"time {spent:.9f}", flush=True)
    print(f"check {check:.9e}")
