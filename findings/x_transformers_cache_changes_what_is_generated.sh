#!/bin/sh
# generate() of x-transformers keeps keys and values by default; with shift_tokens, or with an attention bias that depends on the
# data, it then writes another text than without.
#
# Python 3.11, x-transformers 2.31.10, torch 2.13.0. A step with a cache passes one token through the layers. `shift_tokens=1` gives half
# of the channels the token before, and in a step of one token there is none, so they get zeros. `attn_data_dependent_alibi`
# (forgetting transformer) sums its gates over the tokens of the call, which again are one. Attention with
# `attn_selective=true` says that it cannot keep keys and values, and generates without; these two do not say it.
# Who compares such a model by its samples, or by scores of a stream, judges another model than the one that was trained.
#
# Seen: greedy, 24 tokens after 8, the same weights: 75% of the tokens differ with shift_tokens, 41% with the bias, none
# without either or with attn_selective.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 x-transformers==2.31.10 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import torch
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

CASES = {
    "plain": {},
    "selective": {"attn_selective": True},
    "shift": {"shift_tokens": 1},
    "bias": {"attn_data_dependent_alibi": True},
}
unlike = {}
for name, options in CASES.items():
    torch.manual_seed(0)
    layers = Decoder(dim=32, depth=2, heads=4, attn_dim_head=8, **options)
    model = AutoregressiveWrapper(TransformerWrapper(num_tokens=20, max_seq_len=64, attn_layers=layers)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    prompt = torch.randint(20, (4, 8))
    default = model.generate(prompt, 24, temperature=0.0)
    cached, plain = (model.generate(prompt, 24, temperature=0.0, cache_kv=kept) for kept in (True, False))
    assert torch.equal(default, cached)
    unlike[name] = (cached != plain).float().mean().item()
    print(f"{name}: {unlike[name]:.0%} of the tokens differ, it says it can cache: {model.net.can_cache_kv}")
assert unlike["plain"] == unlike["selective"] == 0
assert unlike["shift"] > 0.2
assert unlike["bias"] > 0.2
PYTHON
