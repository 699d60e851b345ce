"""Writes dictionaries of tensors with one version of PyTorch: `python generate.py NAME`, as plain pickles and by `torch.save`.

The files here are of PyTorch 1.0.1 (Python 3.6), 1.4.0, 1.7.1 (3.8) and 1.12.1 (3.10).
"""
import pickle
import sys

import torch

NAME = sys.argv[1]
base = torch.arange(6).float().view(2, 3)
tensors = {
    "float": base, "half": base.half(), "double": base.double(), "long": torch.arange(6).long(), "bytes": torch.arange(3).byte(),
    "turned": base.t(), "part": base[1:, 1:], "repeated": torch.ones(1, 3).expand(2, 3), "empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5),
    "parameter": torch.nn.Parameter(base.clone()),
}
for protocol in [2, 4]:
    with open("{}.p{}.pkl".format(NAME, protocol), "wb") as file:
        pickle.dump({"tensors": tensors, "name": "x"}, file, protocol)
torch.save(tensors, NAME + ".pth")
