#!/bin/sh
# safetensors.numpy.load gives the tensors of the same bytes in another order at nearly every call; load_file does not.
#
# Python 3.11, safetensors 0.8.0, numpy 2.4.6; safetensors.torch.load does the same. The order of names changes within
# one process; load_file(path) gives them always in the same. A program that pairs load(data).values() with parameters by
# position, or tells of the first tensor that does not fit, does something else from call to call, and nothing says so.
#
# Seen: load of 8 tensors, 50 calls -> 49 or 50 orders; load_file, 50 calls -> 1 order.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
from safetensors.numpy import load, load_file, save, save_file

tensors = {f"t{number}": np.zeros(number + 1, np.float32) for number in range(8)}
data = save(tensors)
save_file(tensors, "x.safetensors")
of_bytes = {tuple(load(data)) for _ in range(50)}
of_a_file = {tuple(load_file("x.safetensors")) for _ in range(50)}
print(f"50 calls: load {len(of_bytes)} orders, load_file {len(of_a_file)}")
assert len(of_bytes) > 10
assert len(of_a_file) == 1
PYTHON
