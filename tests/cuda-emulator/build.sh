#!/usr/bin/env bash
# Builds the stand-ins for libcuda and libcublas into a folder: build.sh <folder>. Needs g++.
set -euo pipefail
folder="$(mkdir -p "$1" && cd "$1" && pwd)"
cd "$(dirname "$0")"
# Nothing of the C++ library is exported: NVRTC has one of its own.
library() { g++ -std=c++20 -O3 -fwrapv -Wall -shared -fPIC -fvisibility=hidden -static-libstdc++ -static-libgcc -Wl,--version-script=exports.map,-soname,"$1" -o "$folder/$1" "${@:2}"; }
# No contraction to fused operations but where a kernel asks for one; rounding modes are honoured.
library libcuda.so.1 -ffp-contract=off -frounding-math -march=native parse.cpp instructions.cpp launch.cpp driver.cpp
library libcublas.so.13 -march=native -fno-math-errno -fassociative-math -fno-signed-zeros -fno-trapping-math cublas.cpp
