#!/usr/bin/env bash
# Checks the library on this machine's GPU: the run.sh of the bundle that scripts/cuda-check.sh makes.
#
#   bash run.sh                      writes $OUT/report.txt (OUT: a folder, by default this one), and report-full.txt with all output
#   PARTS="ops peers" bash run.sh    some of: device ops golden models similarity peers
#
# Needs python3, for the comparison with peers PyTorch; the driver, and libcublas and libnvrtc of the CUDA that the bundle was built with (of
# PyTorch's packages, say). It stops itself after 285 seconds; the exit code is 0 where no problem was found.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="$(mkdir -p "${OUT:-$here}" && cd "${OUT:-$here}" && pwd)"
parts=" ${PARTS:-device ops golden models similarity peers} "
limit="${LIMIT:-285}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
: >"$out/report-full.txt"

problem() { echo "PROBLEM  $*"; }
left() { echo $((limit - SECONDS > 1 ? limit - SECONDS : 1)); }
# run <log> <command...>: within the time that is left; all output goes to report-full.txt.
run() {
    local log="$1" code
    shift
    timeout -k 3 "$(left)" "$@" >"$log" 2>&1
    code=$?
    { echo "### $*: exit $code"; head -c 500000 "$log"; } >>"$out/report-full.txt"
    return $code
}

machine() {
    date -u +'%F %T UTC'
    nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv 2>/dev/null || echo "no nvidia-smi"
    python3 -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda)' 2>&1 | tail -1
    cat "$work/built"
}

# Puts the folders of CUDA's libraries on LD_LIBRARY_PATH.
libraries() {
    local name folder missing
    while read -r name; do
        ldconfig -p | grep -cF "$name " >/dev/null && continue
        folder="$({
            tr ':' '\n' <<<"${LD_LIBRARY_PATH:-}"
            python3 -c 'import glob, sys; [print(*glob.glob(f"{base}/nvidia/*/lib"), sep="\n") for base in sys.path]'
            printf '%s\n' /usr/local/cuda*/lib64 /usr/local/nvidia/lib64 /usr/lib/x86_64-linux-gnu /usr/lib/wsl/lib
        } 2>/dev/null | while read -r folder; do [ -e "${folder:-/none}/$name" ] && echo "$folder" && break; done)"
        echo "$name: ${folder:-not found}"
        [[ ":${LD_LIBRARY_PATH:-}:" == *":$folder:"* ]] || export LD_LIBRARY_PATH="$folder:${LD_LIBRARY_PATH:-}"
    done <"$work/libraries"
    missing="$(ldd "$work"/bin/* 2>&1 | grep 'not found' | sort -u)"
    [ -z "$missing" ] || { problem "libraries are missing:" "$missing"; return 1; }
}

# dfdx reads headers at run time from folders of the machine that built it.
headers() {
    local folder
    while read -r folder; do
        { mkdir -p "$folder" && cp -rn "$work"/headers/* "$folder/"; } 2>/dev/null
        [ -e "$folder/cuda_utils.cuh" ] || problem "no leave to make $folder: reshapes, concatenations and stacks will fail"
    done <"$work/folders"
}

# A failure can spoil the device for the process that it happens in, so what did not pass runs again, each test in a process of its own.
tests() {
    local program="$work/bin/$1" log="$work/$1.log" all again count failed=0
    all="$("$program" --list --format terse 2>>"$out/report-full.txt" | sed -n 's/: test$//p')"
    [ -n "$all" ] || { problem "$1 does not start"; "$program" --list 2>&1 | head -3; return; }
    run "$log" "$program" --test-threads 8
    again="$(comm -23 <(sort <<<"$all") <(sed -nE 's/^test (.*) \.\.\. (ok|ignored.*)$/\1/p' "$log" | sort))"
    while read -r test; do
        [ -n "$test" ] || continue
        if run "$work/alone" "$program" --exact "$test"; then
            problem "$1: $test passes only alone"
        else
            problem "$1: $test: $(grep -aA1 -m1 'panicked at' "$work/alone" | tail -1 | cut -c1-200)"
        fi
        failed=$((failed + 1))
    done <<<"$again"
    count="$(wc -l <<<"$all")"
    echo "$1: $((count - failed)) of $count tests pass (at $SECONDS s)"
}

# The works of a program beside its peer, both on this card.
peers() {
    local name work_name
    python3 -c 'import torch, numpy; assert torch.cuda.is_available()' 2>/dev/null || { echo "peers: no PyTorch with CUDA here"; return; }
    while read -r name work_name; do
        run "$work/ours" "$work/bin/peer_$name" "$work_name" 10 || { problem "$work_name: $(head -1 "$work/ours")"; continue; }
        PEER_DEVICE=cuda run "$work/theirs" python3 "$work/peers/$name.py" "$work_name" 10 ||
            { problem "$work_name, PyTorch: $(tail -1 "$work/theirs")"; continue; }
        python3 - "$work_name" "$work/ours" "$work/theirs" <<'PYTHON'
import statistics, sys

def read(path):
    lines = [line.split() for line in open(path)]
    return 1e3 * statistics.median(float(l[1]) for l in lines if l[:1] == ["time"]), next(float(l[1]) for l in lines if l[:1] == ["check"])

(ours, check), (theirs, expected) = read(sys.argv[2]), read(sys.argv[3])
apart = abs(check - expected) / max(abs(expected), 1e-30)
print(f"{'PROBLEM  ' if apart > 1e-3 else ''}{sys.argv[1]}: ours {ours:.3f} ms, PyTorch {theirs:.3f} ms, ratio {ours / theirs:.2f}, checks apart by {apart:.0e}")
PYTHON
    done <<'WORKS'
steps two_tower
steps pre_norm_layer
steps tca_layer
similarity top10
similarity chamfer
ops softmax
ops layer_norm
ops gelu
ops gate
WORKS
}

main() {
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$here/bundle.tar.xz" "$work" || return
    machine
    libraries || return
    headers
    cd "$work" || return
    for part in device ops golden models similarity; do
        [[ "$parts" != *" $part "* ]] || tests "$part"
    done
    [[ "$parts" != *" peers "* ]] || peers
    echo "done after $SECONDS s"
}
main 2>&1 | tee "$out/report.txt"
[ "$(grep -c '^PROBLEM' "$out/report.txt")" -eq 0 ] && grep -q '^done' "$out/report.txt"
