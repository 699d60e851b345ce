"""One training step of Collaborative Experts at the size of MSRVTT in eager PyTorch, as benches/peer_ce.rs does it."""

import torch
import torch.nn.functional as F

from inputs import main
from inputs import tensor as values

VIDEOS = 64
# Name, steps (0: one vector), width, clusters.
EXPERTS = [
    ("audio", 29, 128, 8),
    ("face", 0, 512, 0),
    ("i3d.i3d.0", 0, 1024, 0),
    ("imagenet.resnext101_32x48d.0", 0, 2048, 0),
    ("imagenet.senet154.0", 0, 2048, 0),
    ("ocr", 49, 300, 43),
    ("r2p1d.r2p1d-ig65m.0", 0, 512, 0),
    ("scene.densenet161.0", 0, 2208, 0),
    ("speech", 32, 300, 19),
]
WORDS, WORD_WIDTH = 37, 768


def has(video, expert):
    return expert == 3 or (video * 7 + expert * 3) % 5 != 0


def shapes(common, clusters):
    """Shapes of the trained parameters by name."""
    of = {}

    def linear(name, outputs, inputs):
        of[f"{name}.weight"], of[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name, width):
        of[f"{name}.weight"], of[f"{name}.bias"] = (width,), (width,)

    def vlad(name, width, kept, ghosts):
        of[f"{name}.clusters"], of[f"{name}.clusters2"] = (width, kept + ghosts), (1, width, kept)
        norm(f"{name}.batch_norm", kept + ghosts)

    vlad("text_pooling", WORD_WIDTH, clusters, 1)
    text = WORD_WIDTH * clusters
    linear("ce.moe_fc", len(EXPERTS), text)
    linear("ce.g_reason_1", common, 2 * common)
    for layer in (0, 3):
        norm(f"ce.g_reason_shared.{layer}", common)
        linear(f"ce.g_reason_shared.{layer + 2}", common, common)
    for i, (name, steps, width, kept) in enumerate(EXPERTS):
        if steps:
            vlad(f"pooling.{name}", width, kept, 0)
        linear(f"ce.video_dim_reduce.{i}.fc", common, width * (kept or 1))
        linear(f"ce.video_GU.{i}.cg.fc", common, common)
        norm(f"ce.video_GU.{i}.cg.batch_norm", common)
        norm(f"ce.video_GU.{i}.cg.batch_norm2", common)
        linear(f"ce.text_GU.{i}.fc", common, text)
        linear(f"ce.text_GU.{i}.cg.fc", common, common)
        norm(f"ce.text_GU.{i}.cg.batch_norm", common)
    return of


def parameters(common, clusters):
    made = {}
    for i, (name, shape) in enumerate(sorted(shapes(common, clusters).items())):
        if len(shape) == 1:
            scale, offset = 0.1, 1.0 if name.endswith("weight") else 0.0
        else:
            scale, offset = 2 / (shape[-2] if "clusters" in name else shape[1]) ** 0.5, 0.0
        made[name] = (values(100 + i, shape, scale) + offset).requires_grad_()
    return made


class Network:
    def __init__(self, common, clusters):
        self.p = parameters(common, clusters)
        # Running statistics move as in a module in training.
        self.running = {}

    def linear(self, name, x):
        return F.linear(x, self.p[f"{name}.weight"], self.p[f"{name}.bias"])

    def norm(self, name, x):
        width = x.shape[1]
        mean, var = self.running.setdefault(name, (torch.zeros(width), torch.ones(width)))
        return F.batch_norm(x, mean, var, self.p[f"{name}.weight"], self.p[f"{name}.bias"], training=True)

    def vlad(self, name, x):
        videos, steps, width = x.shape
        clusters, centres = self.p[f"{name}.clusters"], self.p[f"{name}.clusters2"]
        assignment = self.norm(f"{name}.batch_norm", x.reshape(-1, width) @ clusters)
        assignment = F.softmax(assignment, dim=1)[:, : centres.shape[2]].view(videos, steps, -1)
        offsets = assignment.sum(dim=1, keepdim=True) * centres
        residuals = torch.matmul(assignment.transpose(1, 2), x).transpose(1, 2) - offsets
        return F.normalize(F.normalize(residuals, dim=1).reshape(videos, -1), dim=1)

    def gated(self, name, x):
        x = self.linear(f"{name}.fc", x)
        gate = self.norm(f"{name}.cg.batch_norm", self.linear(f"{name}.cg.fc", x))
        return F.normalize(x * torch.sigmoid(gate), dim=1)

    def g(self, pair):
        x = self.linear("ce.g_reason_1", pair)
        for layer in (0, 3):
            x = F.mish(self.norm(f"ce.g_reason_shared.{layer}", x))
            x = self.linear(f"ce.g_reason_shared.{layer + 2}", x)
        return x

    def forward(self, words, features, available):
        text = self.vlad("text_pooling", words)
        weights = F.softmax(self.linear("ce.moe_fc", text), dim=1)
        texts = [self.gated(f"ce.text_GU.{i}", text) for i in range(len(EXPERTS))]
        experts = []
        for i, ((name, steps, _, _), x) in enumerate(zip(EXPERTS, features)):
            x = self.vlad(f"pooling.{name}", x) if steps else x
            experts.append(F.normalize(self.linear(f"ce.video_dim_reduce.{i}.fc", x), dim=1))
        for k in range(len(experts)):
            total, count = 0, 0
            for j in range(len(experts)):
                both = (available[:, k] * available[:, j])[:, None]
                total = total + both * self.g(torch.cat((experts[k], experts[j]), dim=1))
                count = count + both
            name = f"ce.video_GU.{k}.cg"
            gate = self.norm(f"{name}.batch_norm", total / (count + 1e-11))
            gate = gate + self.norm(f"{name}.batch_norm2", self.linear(f"{name}.fc", experts[k]))
            experts[k] = F.normalize(experts[k] * torch.sigmoid(gate), dim=1)
        mixed = weights[:, None, :] * available[None]
        mixed = mixed / mixed.sum(dim=2, keepdim=True)
        return sum(mixed[:, :, m] * (t @ e.T) for m, (t, e) in enumerate(zip(texts, experts)))


def max_margin(scores, margin):
    n = len(scores)
    right = scores.diag()[:, None]
    terms = F.relu(margin - (right - scores)) + F.relu(margin - (right - scores.T))
    return (terms * (1 - torch.eye(n))).sum() / (2 * n * (n - 1))


class Ranger:
    """Rectified Adam with look-ahead, all tensors at once."""

    def __init__(self, parameters, lr, weight_decay):
        self.all, self.lr, self.decay, self.t = parameters, lr, weight_decay, 0
        zeros = lambda: [torch.zeros_like(p) for p in parameters]
        self.first, self.second = zeros(), zeros()
        self.slow = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def step(self):
        self.t += 1
        t, beta1, beta2 = self.t, 0.95, 0.999
        grads = [p.grad for p in self.all]
        torch._foreach_mul_(self.second, beta2)
        torch._foreach_addcmul_(self.second, grads, grads, 1 - beta2)
        torch._foreach_lerp_(self.first, grads, 1 - beta1)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        torch._foreach_mul_(self.all, 1 - self.decay * self.lr)
        if length > 5:
            shares = (length - 4) * (length - 2) * longest / ((longest - 4) * length * (longest - 2))
            rate = ((1 - beta2**t) * shares) ** 0.5 / (1 - beta1**t)
            roots = torch._foreach_sqrt(self.second)
            torch._foreach_add_(roots, 1e-5)
            torch._foreach_addcdiv_(self.all, self.first, roots, -self.lr * rate)
        else:
            torch._foreach_add_(self.all, self.first, alpha=-self.lr / (1 - beta1**t))
        if t % 6 == 0:
            torch._foreach_lerp_(self.slow, self.all, 0.5)
            torch._foreach_copy_(self.all, self.slow)


def training(common, clusters):
    network = Network(common, clusters)
    words = values(1, (VIDEOS, WORDS, WORD_WIDTH), 2.0)
    available = torch.tensor([[float(has(b, m)) for m in range(len(EXPERTS))] for b in range(VIDEOS)])
    features = []
    for m, (_, steps, width, _) in enumerate(EXPERTS):
        x = values(10 + m, (VIDEOS, steps, width) if steps else (VIDEOS, width), 2.0)
        features.append(x * available[:, m].view(-1, *([1] * (x.dim() - 1))))
    optimizer = Ranger(list(network.p.values()), lr=0.001, weight_decay=1e-3)

    def step(start, stop):
        start()
        for p in network.p.values():
            p.grad = None
        loss = max_margin(network.forward(words, features, available), 0.09381162)
        loss.backward()
        optimizer.step()
        stop()
        return loss.item()

    return step


main({"ce_msrvtt": lambda: training(768, 28), "ce_small": lambda: training(64, 4)})
