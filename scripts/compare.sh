#!/usr/bin/env bash
# Compares our operations, training steps and similarity kernels with PyTorch, faiss and NumPy on this machine, alternately and with the
# same number of threads, and prints a table of ratios (ours / peer, median of pairs).
#
#   scripts/compare.sh                  everything (about half an hour on two cores, 5 GB of packages the first time)
#   scripts/compare.sh gelu top10       some works
#   ROUNDS=5 scripts/compare.sh         more pairs; the default is 3
#   PEERS=path scripts/compare.sh       a virtual environment that exists; by default target/peers, made from PyPI
set -euo pipefail
cd "$(dirname "$0")/.."
peers="${PEERS:-target/peers}"
if [ ! -x "$peers/bin/python" ]; then
    python3 -m venv "$peers"
    "$peers/bin/pip" install --quiet torch faiss-cpu numpy pytrec-eval-terrier ranx torchmetrics
fi
"$peers/bin/python" -c 'import faiss, numpy, torch; print("PyTorch", torch.__version__, "faiss", faiss.__version__, "NumPy", numpy.__version__)'
exec "$peers/bin/python" scripts/compare.py "$@"
