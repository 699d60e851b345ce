#!/usr/bin/env bash
# Installs versions of pandas from the package index, each in a folder of its own, and writes the files of this folder with each.
# Needs python2.7, python3.6, ... on the path: bash versions.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"

with() { # python, name, packages
    local python=$1 name=$2
    shift 2
    [ -e "$name/.done" ] || "$python" -m pip install -q --only-binary :all: --target "$name" "$@"
    touch "$name/.done"
    (cd "$here" && PYTHONPATH="$OLDPWD/$name" "$python" generate.py "$name")
}

with python2.7 pd0.19.2-py2.7 pandas==0.19.2 numpy==1.11.3
with python2.7 pd0.24.2-py2.7 pandas==0.24.2 numpy==1.16.6
with python3.6 pd0.19.2-py3.6 pandas==0.19.2 numpy==1.11.3
with python3.6 pd0.20.3-py3.6 pandas==0.20.3 numpy==1.13.3
with python3.6 pd0.22.0-py3.6 pandas==0.22.0 numpy==1.14.6
with python3.6 pd0.23.4-py3.6 pandas==0.23.4 numpy==1.15.4
with python3.6 pd0.25.3-py3.6 pandas==0.25.3 numpy==1.17.5
with python3.6 pd1.0.5-py3.6 pandas==1.0.5 numpy==1.18.5
with python3.6 pd1.1.5-py3.6 pandas==1.1.5 numpy==1.19.5
with python3.7 pd1.2.5-py3.7 pandas==1.2.5 numpy==1.20.3
with python3.7 pd1.3.5-py3.7 pandas==1.3.5 numpy==1.21.6 pyarrow==6.0.1
with python3.8 pd1.4.4-py3.8 pandas==1.4.4 numpy==1.22.4
with python3.8 pd1.5.3-py3.8 pandas==1.5.3 numpy==1.24.4 pyarrow==12.0.1
with python3.8 pd2.0.3-py3.8 pandas==2.0.3 numpy==1.24.4 pyarrow==12.0.1
with python3.9 pd2.1.4-py3.9 pandas==2.1.4 numpy==1.26.4
with python3.12 pd2.2.3-py3.12 pandas==2.2.3 numpy==2.1.3 pyarrow==18.1.0
with python3.13 pd2.3.3-py3.13 pandas==2.3.3 numpy==2.3.5
with python3.11 pd3.0-py3.11 'pandas>=3.0,<3.1' 'numpy<2.4'
with python3.11 pd3.0-arrow-py3.11 'pandas>=3.0,<3.1' 'numpy<2.4' pyarrow
with python3.13 pd3-py3.13 'pandas>=3' pyarrow
