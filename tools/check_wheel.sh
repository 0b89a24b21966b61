#!/usr/bin/env bash
# Shows that one wheel serves older versions of torch: builds it here, installs it beside torch 2.13.0 for the CPU
# in a fresh environment, and there runs tools/check_wheel.py. Usage: tools/check_wheel.sh [TORCH_VERSION]
set -euo pipefail
cd "$(dirname "$0")/.."
torch_version=${1:-2.13.0}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "building the wheel with torch $(.venv/bin/python -c 'import torch; print(torch.__version__)')"
rm -rf build/lib.* # setuptools would also pack files there that the sources no longer have
.venv/bin/python -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w "$scratch/dist" .

echo "installing it beside torch $torch_version"
.venv/bin/python -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -q --disable-pip-version-check "torch==$torch_version" \
  numpy==2.4.6 setuptools==84.2.1
"$scratch/venv/bin/python" -m pip install -q --disable-pip-version-check "$scratch"/dist/torchconv-*.whl

# Run from elsewhere, so that the installed package is imported and not the checkout.
cp tools/check_wheel.py "$scratch"
cd "$scratch"
venv/bin/python check_wheel.py
