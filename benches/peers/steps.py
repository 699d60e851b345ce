"""Whole training steps in eager PyTorch with its fused Adam, as benches/peer_steps.rs does them."""

import torch
import torch.nn.functional as F

from inputs import main
from inputs import tensor as values


class Parameters:
    """Parameters in the order in which they are asked for, each a stream of its own."""

    def __init__(self):
        self.all = []

    def __call__(self, shape, scale, offset=0.0):
        p = (values(100 + len(self.all), shape, scale) + offset).requires_grad_()
        self.all.append(p)
        return p

    def linear(self, outputs, inputs):
        return self((outputs, inputs), 2 / inputs**0.5), self((outputs,), 0.1)

    def norm(self, width):
        return self((width,), 0.1, 1.0), self((width,), 0.1)


def training(loss, parameters):
    optimizer = torch.optim.Adam(parameters.all, lr=1e-4, fused=True)

    def step(start, stop):
        start()
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        stop()
        return value.item()

    return step


def two_tower():
    make = Parameters()
    towers = [[make.linear(1024, 2048), make.linear(256, 1024)] for _ in range(2)]
    inputs = [values(1, (512, 2048), 2.0), values(2, (512, 2048), 2.0)]

    def loss():
        a, b = (
            F.normalize(F.linear(F.gelu(F.linear(x, *first)), *second), dim=-1)
            for x, (first, second) in zip(inputs, towers)
        )
        logits = 20.0 * a @ b.T
        places = torch.arange(512)
        return (F.cross_entropy(logits, places) + F.cross_entropy(logits.T, places)) / 2

    return training(loss, make)


def attention(x, heads, projections):
    """Fused scaled dot-product attention, what torch.nn.MultiheadAttention calls when no weights are asked for."""
    batch, length, width = x.shape
    q, k, v, out = projections
    split = lambda t: t.view(batch, length, heads, width // heads).transpose(1, 2)
    y = F.scaled_dot_product_attention(*(split(F.linear(x, *p)) for p in (q, k, v)))
    return F.linear(y.transpose(1, 2).reshape(batch, length, width), *out)


def layer(batch, length, width, hidden, heads, pre_norm, activation):
    def work():
        make = Parameters()
        projections = [make.linear(width, width) for _ in range(4)]
        feed, back = make.linear(hidden, width), make.linear(width, hidden)
        norm1, norm2 = make.norm(width), make.norm(width)
        x0 = values(1, (batch, length, width), 2.0)
        target = values(2, (batch, length, width), 2.0)
        norm = lambda t, p: F.layer_norm(t, (width,), *p, 1e-5)

        def loss():
            if pre_norm:
                x = x0 + attention(norm(x0, norm1), heads, projections)
                x = x + F.linear(activation(F.linear(norm(x, norm2), *feed)), *back)
            else:
                x = norm(x0 + attention(x0, heads, projections), norm1)
                x = norm(x + F.linear(activation(F.linear(x, *feed)), *back), norm2)
            return F.mse_loss(x, target)

        return training(loss, make)

    return work


def tca_bank():
    width, keys, batch = 1024, 4096, 8
    make = lambda: torch.nn.TransformerEncoderLayer(width, 8, 2048, dropout=0.0, batch_first=True)
    encoder, key_encoder = make(), make()
    with torch.no_grad():
        for i, (name, p) in enumerate(encoder.named_parameters()):
            scale = 0.1 if name.endswith("bias") or "norm" in name else 2 / p.shape[-1] ** 0.5
            offset = 1.0 if "norm" in name and not name.endswith("bias") else 0.0
            p.copy_(values(100 + i, tuple(p.shape), scale) + offset)
    videos = [values(seed, (batch, 300, width), 2.0) for seed in (1, 2, 3)]
    queue = values(50, (width, keys), 2 / width**0.5)
    place = 0
    embed = lambda encoder, x: F.normalize(encoder(x).mean(1), dim=-1)
    margin, gamma = 0.25, 256.0
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)

    def loss():
        nonlocal place
        query = embed(encoder, videos[0])
        with torch.no_grad():
            for k, q in zip(key_encoder.parameters(), encoder.parameters()):
                k.copy_(q)
            positive, negatives = embed(key_encoder, videos[1]), embed(key_encoder, videos[2])
        z = torch.cat([(query * positive).sum(1, keepdim=True), query @ queue.clone()], 1)
        alpha = (z.detach() + margin).clamp(min=0)
        delta = torch.full_like(alpha, margin)
        alpha[0] = (1 + margin - z.detach()[0]).clamp(min=0)
        delta[0] = 1 - margin
        queue[:, place : place + batch] = negatives.T
        place = (place + batch) % keys
        return F.cross_entropy(gamma * alpha * (z - delta), torch.zeros(batch, dtype=torch.long))

    def step(start, stop):
        start()
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        stop()
        return value.item()

    return step


main(
    {
        "two_tower": two_tower,
        "pre_norm_layer": layer(16, 64, 512, 2048, 8, True, lambda x: x * torch.sigmoid(1.702 * x)),
        "tca_layer": layer(8, 300, 1024, 2048, 8, False, F.relu),
        "tca_bank": tca_bank,
        "tca_layer_64": layer(64, 300, 1024, 2048, 8, False, F.relu),
    }
)
