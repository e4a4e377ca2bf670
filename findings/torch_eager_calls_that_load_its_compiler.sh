#!/bin/sh
# Four calls of plain eager torch load the compiler: making an optimizer, one operation under a TorchDispatchMode, counting
# FLOPs, and one operation on the meta device. A fifth, a gradient of more than a number, loads a part of it.
#
# Python 3.11, torch 2.13.0. `import torch` loads 1,116 modules and imports torch.optim, but neither torch._dynamo nor sympy.
# The first torch.optim.SGD(...) loads both and torch._inductor, 823 modules in all, and so does the first operation inside of a
# TorchDispatchMode (FlopCounterMode is one), or of a tensor with device="meta". It takes about as long as `import torch`, once
# in every process: in a short command, in each worker, in the first step that somebody times. A mode of one's own is spared
# by a class method `_should_skip_dynamo` that returns False; an optimizer is not. `torch.autograd.grad(y, x, v)` loads sympy
# to compare the shapes of y and v, half a second; `torch.autograd.grad((y * v).sum(), x)` is the same and loads nothing.
#
# Seen, for each of SGD, mode, FLOPs, meta: "before: nothing, after: sympy torch._dynamo torch._inductor (1939 modules)";
# gradient of a vector: "before: nothing, after: sympy (1603 modules)"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
cat > load.py <<'PYTHON'
import sys

import torch
import torch.optim
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


class Plain(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Spared(Plain):
    @classmethod
    def _should_skip_dynamo(cls):
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def add(mode):
    with mode:
        torch.ones(2) + 1


def vector():
    x = torch.ones(2, requires_grad=True)
    return x * 2, x


def number(y, x):
    torch.autograd.grad((y * torch.ones(2)).sum(), x)


CALLS = {
    "SGD": lambda: torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1),
    "mode": lambda: add(Plain()),
    "FLOPs": lambda: add(FlopCounterMode(display=False)),
    "meta": lambda: torch.ones(2, device="meta").tanh(),
    "gradient of a vector": lambda: torch.autograd.grad(*vector(), torch.ones(2)),
    "gradient of a number": lambda: number(*vector()),
    "eager": lambda: torch.ones(2) + 1,
    "spared mode": lambda: add(Spared()),
}


def compiler():
    return " ".join(name for name in ("sympy", "torch._dynamo", "torch._inductor") if name in sys.modules) or "nothing"


before = compiler()
CALLS[sys.argv[1]]()
print(f"{sys.argv[1]}: before: {before}, after: {compiler()} ({len(sys.modules)} modules)")
sys.exit(before != "nothing" or (compiler() != "nothing") is not (sys.argv[2] == "loads"))
PYTHON
for call in SGD mode FLOPs meta "gradient of a vector"; do
  "$folder/env/bin/python" load.py "$call" loads
done
for call in eager "spared mode" "gradient of a number"; do
  "$folder/env/bin/python" load.py "$call" spares
done
