"""Top-k in faiss (on a GPU in PyTorch), chamfer similarity in PyTorch and retrieval metrics in NumPy, as benches/peer_similarity.rs does them.

The metrics are computed by full sorts, as the evaluation programs of EPIC-Kitchens-100 do: for every query one sort for the DCG, one for the
ideal DCG, one for the average precision and one for the ranks. Sorts are stable, so that ties fall as ours do: a reversed ascending order for
nDCG, the order of the negated scores for mAP and ranks. The dense relevance and the transposed matrices are made outside the time.
"""

import numpy as np
import torch

from inputs import DEVICE, main, tensor, values

if DEVICE == "cpu":
    import faiss


def top10_on_gpu():
    """In PyTorch, by blocks of items, for faiss is the CPU's."""
    queries, items = tensor(1, (10_000, 512)), tensor(2, (100_000, 512))

    @torch.no_grad()
    def step(start, stop):
        start()
        blocks = [torch.topk(queries @ block.T, 10).values for block in items.split(10_000)]
        scores = torch.topk(torch.cat(blocks, dim=1), 10).values
        stop()
        return scores.double().sum().item()

    return step


def top10(number, make):
    """Top-10 of so many queries in an index that `make` makes."""
    queries, items = values(1, (number, 512)), values(2, (100_000, 512))
    index = make()
    index.add(items)

    def step(start, stop):
        start()
        scores, _ = index.search(queries, 10)
        stop()
        return scores.astype("float64").sum()

    return step


def flat():
    return faiss.IndexFlatIP(512)


def panorama():
    return faiss.IndexFlatIPPanorama(512, 8)


def shots(seed, videos):
    """Frames of videos in shots: benches/peer_similarity.rs."""
    frames, width = 300, 1024
    bases = values(seed, (videos, 60, width))
    rows = values(seed + 100, (videos, frames, width), 0.1)
    for video in range(videos):
        shot = left = 0
        for frame in range(frames):
            if left == 0:
                shot += 1
                left = 5 + (seed + 31 * video + 7 * shot * shot) % 20
            left -= 1
            rows[video, frame] += bases[video, shot - 1]
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return torch.from_numpy(rows).to(DEVICE)


def chamfer(query, items):
    @torch.no_grad()
    def step(start, stop):
        start()
        scores = torch.bmm(query.expand(1000, -1, -1), items.transpose(1, 2)).amax(dim=2).mean(dim=1)
        stop()
        return scores.double().mean().item()

    return step


def discounted_gain(scores, relevance, counted):
    """DCG of every row: relevances in order of falling score, over the first so many ranks."""
    order = np.argsort(scores, axis=1, kind="stable")[:, ::-1]
    gains = np.take_along_axis(relevance, order, axis=1)
    ranks = np.arange(1, scores.shape[1] + 1)
    return (gains * (ranks <= counted[:, None]) / np.log2(ranks + 1)).sum(axis=1)


def ndcg(scores, relevance):
    counted = (relevance > 0).sum(axis=1)
    ideal = discounted_gain(relevance, relevance, counted)
    return np.divide(discounted_gain(scores, relevance, counted), ideal, out=np.zeros_like(ideal), where=ideal > 0).mean()


def mean_average_precision(scores, relevance):
    ordered = np.take_along_axis(relevance, np.argsort(-scores, axis=1, kind="stable"), axis=1)
    precision = np.cumsum(ordered, axis=1) / np.arange(1, scores.shape[1] + 1)
    hits = ordered == 1
    number = hits.sum(axis=1)
    total = (precision * hits).sum(axis=1)
    return np.divide(total, number, out=np.zeros_like(total), where=number > 0).mean()


def ranks(scores, truths):
    """Rank from 1 of the best-ranked truth of every row; `truths` is a matrix of booleans."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(truths, order, axis=1).argmax(axis=1) + 1


def recalls(ranks):
    return sum(100.0 * (ranks <= k).mean() for k in (1, 5, 10))


def retrieval():
    rows, columns = 9668, 3842
    similarity = values(1, (rows, columns))
    number = np.array([12, 40], dtype=np.float32)
    classes = lambda seed, n: ((values(seed, (n, 2)) + np.float32(0.5)) * number).astype(np.int64)
    videos, texts = classes(2, rows), classes(3, columns)
    relevance = (videos[:, None] == texts[None]).sum(axis=2) / 2.0
    truths = np.arange(rows)[:, None] % columns == np.arange(columns)
    directions = [(similarity, relevance, truths)]
    directions.append(tuple(np.ascontiguousarray(matrix.T) for matrix in directions[0]))

    def step(start, stop):
        start()
        check = 0.0
        for scores, relevances, truth in directions:
            found = ranks(scores, truth)
            check += (ndcg(scores, relevances) + mean_average_precision(scores, relevances)) / 2
            check += found.mean() + recalls(found)
        stop()
        return check

    return step


main(
    {
        "top10": (lambda: top10(10_000, flat)) if DEVICE == "cpu" else top10_on_gpu,
        "top10_of_1": lambda: top10(1, flat),
        "top10_of_1_panorama": lambda: top10(1, panorama),
        "top10_of_10": lambda: top10(10, flat),
        "top10_of_10_panorama": lambda: top10(10, panorama),
        "chamfer": lambda: chamfer(tensor(1, (1, 300, 1024)), tensor(2, (1000, 300, 1024))),
        "chamfer_shots": lambda: chamfer(shots(1, 1), shots(2, 1000)),
        "retrieval": retrieval,
    }
)
