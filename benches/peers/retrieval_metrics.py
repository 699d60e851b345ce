"""Ranks, nDCG and mAP in both directions for 9,668 x 3,842 similarities in NumPy, by full sorts, as the evaluation programs of
EPIC-Kitchens-100 do: for every query one sort for the DCG, one for the ideal DCG, one for the average precision and one for the ranks.

Arguments: repetitions. Sorts are stable, so that ties fall as ours do: a reversed ascending order for nDCG, the order of the negated scores
for mAP and ranks. The dense relevance and the transposed matrices are made outside the time.
"""

import numpy as np

from inputs import repeat, values

ROWS, COLUMNS = 9668, 3842


def classes(start, rows):
    uniform = values(2 * start, rows, 2) + np.float32(0.5)
    return (uniform * np.array([12, 40], dtype=np.float32)).astype(np.int64)


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


similarity = values(0, ROWS, COLUMNS)
videos, texts = classes(1 << 26, ROWS), classes(1 << 27, COLUMNS)
relevance = (videos[:, None] == texts[None]).sum(axis=2) / 2.0
truths = np.arange(ROWS)[:, None] % COLUMNS == np.arange(COLUMNS)
directions = [(similarity, relevance, truths)]
directions.append(tuple(np.ascontiguousarray(matrix.T) for matrix in directions[0]))


def evaluate():
    check = 0.0
    for scores, relevances, truth in directions:
        found = ranks(scores, truth)
        check += (ndcg(scores, relevances) + mean_average_precision(scores, relevances)) / 2
        check += found.mean() + recalls(found)
    return check


print(f"check {repeat(evaluate):.6f}")
