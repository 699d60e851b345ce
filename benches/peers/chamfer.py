"""Chamfer similarity of one query with 1,000 videos of 300 frames of 1024 dimensions: PyTorch bmm, max, mean.

Arguments: repetitions. Threads: OMP_NUM_THREADS.
"""

import os

import torch

from inputs import repeat, values

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)
query = torch.from_numpy(values(0, 300, 1024)).unsqueeze(0)
items = torch.from_numpy(values(300 * 1024, 300_000, 1024)).view(1000, 300, 1024)


def chamfer():
    return torch.bmm(query.expand(1000, -1, -1), items.transpose(1, 2)).amax(dim=2).mean(dim=1)


print(f"check {repeat(chamfer).double().mean():.6f}")
