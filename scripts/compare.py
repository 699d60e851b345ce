"""Runs our programs and their peers alternately and prints a table of ratios; see scripts/compare.sh."""

import os
import re
import statistics
import subprocess
import sys

# Ours, the peer's file, the work, repetitions of a round.
WORKS = [
    ("peer_steps", "steps", "two_tower", 5),
    ("peer_steps", "steps", "pre_norm_layer", 5),
    ("peer_steps", "steps", "tca_layer", 2),
    ("peer_steps", "steps", "tca_bank", 2),
    ("peer_steps", "steps", "tca_layer_64", 1),
    ("peer_ce", "ce", "ce_small", 5),
    ("peer_ce", "ce", "ce_msrvtt", 3),
    ("peer_ops", "ops", "softmax", 9),
    ("peer_ops", "ops", "layer_norm", 9),
    ("peer_ops", "ops", "gelu", 9),
    ("peer_ops", "ops", "l2_normalize", 9),
    ("peer_ops", "ops", "gate", 9),
    ("peer_ops", "ops", "matmul_1024", 9),
    ("peer_ops", "ops", "matmul_2048", 5),
    ("peer_similarity", "similarity", "top10", 1),
    ("peer_similarity", "similarity", "top10_of_1", 19),
    ("peer_similarity", "similarity", "top10_of_1_panorama", 19),
    ("peer_similarity", "similarity", "top10_of_10", 19),
    ("peer_similarity", "similarity", "top10_of_10_panorama", 19),
    ("peer_similarity", "similarity", "chamfer", 2),
    ("peer_similarity", "similarity", "chamfer_shots", 2),
    ("peer_similarity", "similarity", "retrieval", 1),
    ("peer_metrics", "metrics", "trec_eval", 5),
    ("peer_metrics", "metrics", "ranx", 5),
    ("peer_metrics", "metrics", "torchmetrics", 3),
]

THREADS = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

# glibc keeps freed memory, for both sides: otherwise page faults of fresh buffers cost more than most operations.
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def run(command, threads):
    """Times, check number and peak memory in MB of one program."""
    env = os.environ | ALLOCATOR | {name: str(threads) for name in THREADS}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    times = [float(t) for t in re.findall(r"^time (\S+)$", output, re.M)]
    return times, float(re.search(r"^check (\S+)$", output, re.M)[1]), usage.ru_maxrss / 1024


def executables():
    """The bench programs as cargo names them."""
    built = subprocess.run(
        ["cargo", "bench", "--no-run", "--bench", "peer_*"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    return {m[1]: os.path.join(ROOT, m[2]) for m in re.finditer(r"benches/(\w+)\.rs \((\S+)\)", built.stderr)}


def compare(ours, peer, work, repetitions, rounds, threads):
    pairs, peaks = [], []
    for _ in range(rounds):
        a, check_a, peak_a = run([ours, work, str(repetitions)], threads)
        b, check_b, peak_b = run([sys.executable, peer, work, str(repetitions)], threads)
        pairs.append((statistics.median(a), statistics.median(b)))
        peaks.append((peak_a, peak_b))
    apart = abs(check_a - check_b) / max(abs(check_b), 1e-30)
    if apart > 1e-4:
        sys.exit(f"{work}: the two sides do different work, {check_a} and {check_b}")
    ratio = statistics.median(a / b for a, b in pairs)
    ours, theirs = (statistics.median(side) for side in zip(*pairs))
    peak = tuple(max(side) for side in zip(*peaks))
    print(
        f"| {work} | {threads} | {ours * 1e3:.1f} | {theirs * 1e3:.1f} | **{ratio:.2f}** |"
        f" {peak[0]:.0f} / {peak[1]:.0f} | {apart:.0e} |",
        flush=True,
    )


ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if __name__ == "__main__":
    rounds = int(os.environ.get("ROUNDS", "3"))
    wanted = sys.argv[1:]
    unknown = set(wanted) - {work for _, _, work, _ in WORKS}
    if unknown:
        sys.exit(f"no work named {', '.join(unknown)}: {', '.join(work for _, _, work, _ in WORKS)}")
    programs = executables()
    print("| work | threads | ours, ms | peer, ms | ratio (median of pairs) | peak memory, MB | checks apart by |")
    print("|---|---|---|---|---|---|---|")
    for name, file, work, repetitions in WORKS:
        if not wanted or work in wanted:
            for threads in (1, 2):
                peer = os.path.join(ROOT, "benches", "peers", f"{file}.py")
                compare(programs[name], peer, work, repetitions, rounds, threads)
