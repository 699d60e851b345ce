"""Forward and backward of single operations in PyTorch, as benches/peer_ops.rs does them."""

import torch
import torch.nn.functional as F

from inputs import main
from inputs import tensor as values


def operation(shape, forward, scale=4.0, parameters=()):
    def work():
        x = values(1, shape, scale).requires_grad_()
        rest = [values(seed, size, 1.0).requires_grad_() for seed, size in parameters]
        cotangent = values(9, shape, 1.0)

        def step(start, stop):
            for t in [x, *rest]:
                t.grad = None
            start()
            y = forward(x, *rest)
            stop()
            y_mean = y.detach().abs().mean().item()
            start()
            y.backward(cotangent)
            stop()
            return y_mean + sum(t.grad.abs().mean().item() for t in [x, *rest])

        return step

    return work


def matmul(n):
    def work():
        a, b = values(1, (n, n)), values(2, (n, n))

        def step(start, stop):
            start()
            with torch.no_grad():
                y = F.linear(a, b)
            stop()
            return y.abs().mean().item()

        return step

    return work


WIDE = (19200, 1024)
main(
    {
        "matmul_1024": matmul(1024),
        "matmul_2048": matmul(2048),
        "softmax": operation((64, 300, 300), lambda x: torch.softmax(x, -1)),
        "layer_norm": operation(
            (64, 300, 1024),
            lambda x, w, b: F.layer_norm(x, (1024,), w, b, 1e-5),
            parameters=[(2, (1024,)), (3, (1024,))],
        ),
        "gelu": operation(WIDE, F.gelu),
        "l2_normalize": operation(WIDE, lambda x: F.normalize(x, dim=-1)),
        "gate": operation(WIDE, lambda x, g: x * torch.sigmoid(g), parameters=[(2, WIDE)]),
    }
)
