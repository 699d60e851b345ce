#!/usr/bin/env bash
# Makes a CUDA toolkit from PyPI's packages, without root and without a GPU, good enough to build the `cuda` feature.
#
#   scripts/cuda-toolkit.sh [folder]        default: target/cuda
#   source target/cuda/env && cargo build --release --features cuda
#
# COMPUTE_CAP (default 9.0) is the compute capability that kernels are compiled for where no card is at hand to be asked; VERSION (default
# 13.0) the toolkit's. On a machine with a driver, its nvidia-smi and libcuda are used; elsewhere stand-ins take their place, which suffice to
# compile and to link, not to run. Needs Python with pip, and a C compiler for the stand-in of libcuda.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${1:-target/cuda}"
version="${VERSION:-13.0}"
capability="${COMPUTE_CAP:-9.0}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

packages=(nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm nvidia-cuda-runtime nvidia-cuda-cccl nvidia-cuda-nvrtc)
python3 -m pip install --quiet --upgrade --target "$folder/packages" "${packages[@]/%/==$version.*}" "nvidia-cublas<14" "nvidia-curand<11"

# The packages share one tree, nvidia/cu13 or the like; a toolkit calls its libraries lib64.
tree="$(find "$folder/packages/nvidia" -maxdepth 1 -type d -name 'cu*' | head -1)"
for part in bin include nvvm; do
    ln -sfn "$tree/$part" "$folder/$part"
done
mkdir -p "$folder/lib64/stubs" "$folder/path"
for library in "$tree"/lib/*.so*; do
    name="$(basename "$library")"
    ln -sf "$library" "$folder/lib64/$name"
    # Packages carry libraries with their version only; the linker asks for the plain name.
    ln -sf "$library" "$folder/lib64/${name%%.so*}.so"
done
chmod +x "$tree"/bin/* "$tree"/nvvm/bin/* 2>/dev/null || true

if ! command -v nvidia-smi >/dev/null; then
    printf '#!/bin/sh\nprintf "compute_cap\\n%s\\n"\n' "$capability" >"$folder/path/nvidia-smi"
    chmod +x "$folder/path/nvidia-smi"
fi
if ! ldconfig -p | grep -q 'libcuda\.so'; then
    # Every function of the driver, failing.
    grep -ohE '\bcu[A-Z][A-Za-z0-9]*(_v[0-9]+)?\b' "$folder/include/cuda.h" | sort -u |
        sed 's/.*/int &(void) { return 999; }/' >"$folder/path/libcuda.c"
    cc -w -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$folder/lib64/stubs/libcuda.so" "$folder/path/libcuda.c"
fi

cat >"$folder/env" <<ENV
export CUDA_PATH="$folder" CUDA_HOME="$folder" CUDA_ROOT="$folder" CUDA_TOOLKIT_ROOT_DIR="$folder"
export PATH="$folder/path:$folder/bin:\$PATH"
export LIBRARY_PATH="$folder/lib64:$folder/lib64/stubs:\${LIBRARY_PATH:-}"
export LD_LIBRARY_PATH="$folder/lib64:\${LD_LIBRARY_PATH:-}"
ENV
echo "now: source $folder/env"
