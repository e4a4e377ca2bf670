#!/bin/sh
# A rotary embedding of rotary-embedding-torch that was called once ignores the frequencies that are loaded into it.
#
# Python 3.11, rotary-embedding-torch 0.9.1, torch 2.13.0. `freqs` is a parameter and stands in the state dict; the first call
# fills `cached_freqs`, a buffer that is in no state dict, and load_state_dict does not empty it. A model that has seen one
# batch (to look at its shapes, say) and then loads weights whose frequencies are others computes with the old ones, without a
# word; a fresh model with the same weights does not.
#
# Seen: frequencies twice as large loaded after a call change nothing (difference 0.0); in a fresh module they do.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 rotary-embedding-torch==0.9.1 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import torch
from rotary_embedding_torch import RotaryEmbedding

queries = torch.randn(1, 1, 5, 8, generator=torch.Generator().manual_seed(0))
called, fresh = RotaryEmbedding(dim=8), RotaryEmbedding(dim=8)
before = called.rotate_queries_or_keys(queries)
weights = {name: tensor * 2 for name, tensor in called.state_dict().items()}
for module in (called, fresh):
    module.load_state_dict(weights)
after, right = called.rotate_queries_or_keys(queries), fresh.rotate_queries_or_keys(queries)
print(f"loaded after a call: {(after - before).abs().max():.3f}; loaded before it: {(right - before).abs().max():.3f}")
assert list(weights) == ["freqs"]
assert torch.equal(called.freqs, fresh.freqs)
assert torch.equal(after, before)
assert (right - before).abs().max() > 0.1
PYTHON
