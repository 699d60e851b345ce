"""What all peers share: the same numbers as ours, and how times are printed."""

import sys
import time

import numpy as np


def values(start, rows, cols):
    """Numbers start.. of the sequence of benches/peer_similarity.rs, rows x cols, uniform in [-0.5, 0.5)."""
    out = np.empty(rows * cols, dtype=np.float32)
    step = 1 << 20
    for first in range(0, out.size, step):
        last = min(out.size, first + step)
        x = np.arange(start + first, start + last, dtype=np.uint64).astype(np.uint32) * np.uint32(2_654_435_761)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(73_244_475)
        x ^= x >> np.uint32(16)
        out[first:last] = (x >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)
    return out.reshape(rows, cols)


def repeat(work):
    """Runs work() as often as the last argument of the program says, prints each time, and returns the last result."""
    repetitions = int(sys.argv[-1]) if len(sys.argv) > 1 else 1
    for _ in range(repetitions):
        start = time.perf_counter()
        result = work()
        print(f"time {time.perf_counter() - start:.6f}", flush=True)
    return result
