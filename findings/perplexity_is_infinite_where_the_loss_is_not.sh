#!/bin/sh
# torchmetrics and torcheval call a perplexity infinite where the loss is finite: for logits in float16, and for one token that a
# model was sure of wrongly.
#
# Python 3.11, torch 2.13.0, torchmetrics 1.9.0, torcheval 0.0.7. Both turn logits into probabilities, pick that of the target, and
# take its logarithm; both add the logarithms in the dtype of the logits. A probability of exp(-120) is 0 in float32, and its
# logarithm infinite, where a cross-entropy from logits is 120. A sum of 20,000 losses of 3.8 is more than the 65,504 of
# float16; logits in bfloat16 keep the sum and lose its digits.
# Who evaluates a model in half precision, or one that is sure, reads that it has no perplexity at all.
#
# Seen: 20,000 tokens, 27 symbols, random logits with a loss of 3.765: both infinite in float16; one target of 20,000 at a logit
# 120 below another: both infinite, where the loss is 3.771.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.13.0 torchmetrics==1.9.0 torcheval==0.0.7 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import math

import torch
import torch.nn.functional as F
from torcheval.metrics.functional import perplexity as of_torcheval
from torchmetrics.functional.text import perplexity as of_torchmetrics

torch.manual_seed(0)
logits, targets = torch.randn(1, 20_000, 27), torch.randint(27, (1, 20_000))
sure = logits.clone()
sure[0, 0] = 0.0
sure[0, 0, (targets[0, 0] + 1) % 27] = 120.0
for name, given, finite in (
    ("float32", logits, True),
    ("float16", logits.half(), False),
    ("bfloat16", logits.bfloat16(), True),
    ("one sure and wrong", sure, False),
):
    loss = F.cross_entropy(given[0].float(), targets[0]).item()
    found = [function(given, targets).log().item() for function in (of_torchmetrics, of_torcheval)]
    print(f"{name}: loss {loss:.4f}, log of the perplexity {found[0]:.4f} (torchmetrics), {found[1]:.4f} (torcheval)")
    assert loss < 4
    assert all(math.isfinite(own) == finite for own in found), name
PYTHON
