#!/usr/bin/env bash
# Runs the tests that compute on a device with a CUDA device that needs no card: tests/cuda-emulator interprets the kernels on the CPU.
#
#   scripts/cuda-emulate.sh                  all of them
#   scripts/cuda-emulate.sh ops reduce       of one target, those whose names contain a word
#
# Makes the toolkit (scripts/cuda-toolkit.sh) and the emulator where they are missing. It shows indices, bounds, launches and arithmetic,
# not speed, not races, not what the order of atomic additions does: see docs/cuda.md.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
targets=(device ops models golden)
if [ $# -gt 0 ]; then
    targets=("$1")
    shift
fi
[ -f "$target/cuda/env" ] || scripts/cuda-toolkit.sh "$target/cuda"
# shellcheck disable=SC1091
source "$target/cuda/env"
tests/cuda-emulator/build.sh "$target/cuda-emulator"
emulator="$(cd "$target/cuda-emulator" && pwd)"

cargo test --features cuda "${targets[@]/#/--test=}" --no-run
# It stands before the machine's own driver and cuBLAS.
export LD_LIBRARY_PATH="$emulator:${LD_LIBRARY_PATH:-}"
cargo test --features cuda --no-fail-fast "${targets[@]/#/--test=}" -- "$@"

# Drivers that lack something: it is named.
[[ " ${targets[*]} " == *" device "* ]] || exit 0
while IFS='|' read -r driver error; do
    EMULATED_DRIVER="$driver" EXPECTED_DEVICE_ERROR="$error" cargo test --quiet --features cuda --test device
done <<'LACKING'
no-gpu|no GPU
stand-in|no CUDA driver
old|takes a newer driver
no-pools|no memory pools
LACKING
