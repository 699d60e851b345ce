"""Exact top-10 of 10,000 x 100,000 embeddings of 512 dimensions by inner product: faiss IndexFlatIP.

Arguments: repetitions. Threads: OMP_NUM_THREADS. The index is filled once, outside the time.
"""

import os

import faiss

from inputs import repeat, values

faiss.omp_set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
queries, items = values(0, 10_000, 512), values(10_000 * 512, 100_000, 512)
index = faiss.IndexFlatIP(512)
index.add(items)
scores, _ = repeat(lambda: index.search(queries, 10))
print(f"check {scores.astype('float64').sum():.6f}")
