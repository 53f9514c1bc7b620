#!/usr/bin/env bash
# usage: search_environments.sh FOLDER [python]   an environment for each tool that search.py compares with
set -uo pipefail
folder=$1 python=${2:-python3.11}
mkdir -p "$folder"
for tool in "brevitas brevitas==0.13.*" "aimet aimet-torch==2.42.*" "mct model-compression-toolkit==2.6.*"; do
  read -r name package <<<"$tool"
  "$python" -m venv "$folder/$name" &&
    "$folder/$name/bin/pip" install -q "torch==2.13.*" torchvision tqdm "setuptools<81" "$package" ||
    echo "$name: $package can't be installed here; search.py leaves it out"
done
