"""nDCG and mean average precision by trec_eval (pytrec_eval), ranx and torchmetrics, as benches/peer_metrics.rs does them.

What each wants of the numbers (dicts, runs, flat tensors), in both directions, is made outside the time.
"""

import os

import numpy as np
import torch

from inputs import main, values

SIZE = 1000


def directions():
    """Similarities and relevances of texts, then of videos as queries."""
    similarity = values(1, (SIZE, SIZE))
    drawn = values(2, (SIZE, SIZE))
    relevance = np.where(drawn < -0.49, 1, np.where(drawn < -0.48, 2, 0))
    return [(similarity, relevance), (np.ascontiguousarray(similarity.T), np.ascontiguousarray(relevance.T))]


def dicts(scores, relevance):
    names = [f"{i:04}" for i in range(SIZE)]
    run = {names[i]: dict(zip(names, map(float, row))) for i, row in enumerate(scores)}
    qrels = {names[i]: {names[j]: int(row[j]) for j in np.flatnonzero(row)} for i, row in enumerate(relevance)}
    return run, {query: own for query, own in qrels.items() if own}


def trec_eval():
    import pytrec_eval

    pairs = [dicts(*direction) for direction in directions()]
    pairs = [(pytrec_eval.RelevanceEvaluator(qrels, {"ndcg", "map"}), run) for run, qrels in pairs]

    def step(start, stop):
        start()
        of = [evaluator.evaluate(run).values() for evaluator, run in pairs]
        stop()
        # Queries without a relevant item count as 0.
        return sum(query["ndcg"] + query["map"] for queries in of for query in queries) / SIZE / 2

    return step


def ranx():
    import numba
    from ranx import Qrels, Run, evaluate

    numba.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    pairs = [dicts(*direction) for direction in directions()]
    pairs = [(Qrels(qrels), Run({query: run[query] for query in qrels}), len(qrels)) for run, qrels in pairs]

    def step(start, stop):
        start()
        of = [(evaluate(qrels, run, ["ndcg", "map"]), queries) for qrels, run, queries in pairs]
        stop()
        return sum((scores["ndcg"] + scores["map"]) * queries for scores, queries in of) / SIZE / 2

    return step


def torchmetrics():
    from torchmetrics.retrieval import RetrievalMAP, RetrievalNormalizedDCG

    queries = torch.arange(SIZE).repeat_interleave(SIZE)
    flat = lambda part: torch.from_numpy(part.reshape(-1))
    # It takes no item for relevant whose score is not above 0.
    pairs = [(flat(scores) + 0.5, flat(relevance)) for scores, relevance in directions()]
    # It stops at queries without a relevant item unless it is told what they are.
    ndcg = RetrievalNormalizedDCG(empty_target_action="neg")
    ap = RetrievalMAP(empty_target_action="neg")

    def step(start, stop):
        start()
        of = [ndcg(scores, levels, queries) + ap(scores, levels > 0, queries) for scores, levels in pairs]
        stop()
        return sum(of).item() / 2

    return step


main({"trec_eval": trec_eval, "ranx": ranx, "torchmetrics": torchmetrics})
