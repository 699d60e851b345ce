#!/usr/bin/env bash
# Packs what a machine with an NVIDIA GPU, but without Rust and without a network, needs to check this library on its card.
#
#   scripts/cuda-check.sh build [folder]     default: target/cuda-bundle, with run.sh and bundle.tar.xz
#   bash target/cuda-bundle/run.sh           there; see scripts/cuda-check-run.sh
#
# Needs cargo, python3, xz and what scripts/cuda-toolkit.sh needs; no GPU. COMPUTE_CAP (default 9.0) is the card's compute capability.
set -euo pipefail
if [ "${1:-}" != build ] || [ $# -gt 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
folder="${2:-$target/cuda-bundle}"
mkdir -p "$folder"
stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
mkdir "$stage"/{bin,peers,headers}

[ -f "$target/cuda/env" ] || scripts/cuda-toolkit.sh "$target/cuda"
# shellcheck disable=SC1091
source "$target/cuda/env"
cargo build --release --features cuda --test device --test ops --test golden --test models --test similarity \
    --bench peer_steps --bench peer_ops --bench peer_similarity --message-format=json-render-diagnostics >"$stage/messages"

# The programs; and the folders of headers whose names dfdx has compiled into them, for the kernels that it compiles at run time.
python3 - "$stage" <<'PYTHON'
import json, shutil, sys

stage = sys.argv[1]
for message in map(json.loads, open(f"{stage}/messages")):
    if message.get("executable"):
        shutil.copy(message["executable"], f"{stage}/bin/{message['target']['name']}")
    elif message["reason"] == "build-script-executed" and "dfdx" in message["package_id"]:
        include = dict(message["env"]).get("CUDA_INCLUDE_DIR")
        if include:
            open(f"{stage}/folders", "w").write(f"{message['out_dir']}\n{include}\n")
PYTHON
{ read -r kernels; read -r include; } <"$stage/folders"
cp "$kernels"/*.cuh "$stage/headers/"
cp -L "$include"/{cuda_fp16.h,cuda_fp16.hpp,vector_types.h,vector_functions.h,vector_functions.hpp} "$stage/headers/"
cp -rL "$include/nv" "$include/crt" "$stage/headers/" 2>/dev/null || true
cp benches/peers/{inputs,steps,ops,similarity}.py "$stage/peers/"
cp -r tests "$stage/tests"
rm -r "$stage/tests/cuda-emulator" "$stage/messages"
strip "$stage"/bin/*
{
    echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo ', changed since')"
    rustc --version
    nvcc --version | grep release
    echo "for compute capability ${COMPUTE_CAP:-9.0}"
} >"$stage/built"
readelf -d "$stage"/bin/* | sed -n 's/.*(NEEDED).*\[\(lib\(cu\|nv\).*\)\]/\1/p' | sort -u >"$stage/libraries"

tar -C "$stage" -cf - . | xz -9 --threads=2 >"$folder/bundle.tar.xz"
cp scripts/cuda-check-run.sh "$folder/run.sh"
echo "$folder: $(du -sk "$folder" | cut -f1) kB"
