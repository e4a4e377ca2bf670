"""Selective scan: the recurrence of Mamba, with N hidden numbers for every channel.

    h_t = exp(dt_t A) · h_{t-1} + B_t (dt_t x_t)ᵀ,    y_t = C_tᵀ h_t

Decays and hidden numbers of all positions are N times as large as x. As in the kernel of Gu and Dao 2023 (section
3.3.2) each is made where it is used: a position at a time, and again for the gradient, from states kept every 8
positions. A long row is cut into spans of at most 128 positions, and a loop over the positions of a span treats all
spans together. It needs the states before the spans, which a first loop and a `scan` over spans give.

Letters are those of the paper: D channels, N numbers each; S is the number of spans, L their length.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.layers.scan import scan

SPAN = 128
"""Most positions of a span."""
KEPT = 8
"""Positions between states that are kept for the gradient."""


def selective_scan(dt: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Read all positions: y (B, T, D), and h after the last one (B, N, D). It computes in at least float32.

    Args:
        dt: sizes of the steps (B, T, D), > 0.
        x: (B, T, D).
        A: rates (N, D), < 0.
        B: how x is written (B, T, N).
        C: how h is read (B, T, N).
        before: h before the first position (B, N, D).
    """
    T, kind = x.shape[1], x.dtype
    exact = torch.promote_types(kind, torch.float32)
    dt, x, A, B, C, before = (part.to(exact) for part in (dt, x, A, B, C, before))
    if T == 1:
        h = torch.exp(dt * A) * before + B.mT * (dt * x)
        return (C @ h).to(kind), h
    spans = (_to_spans(part) for part in (dt, dt * x, B, C))
    y, after, _ = _SelectiveScan.apply(*spans, A.expand_as(before), before)
    return y.flatten(1, 2)[:, :T].to(kind), after


class _SelectiveScan(torch.autograd.Function):
    """Spans of dt, u = dt · x, B and C, A for each row, and h before -> y, h after, h at every eighth position."""

    @staticmethod
    def forward(dt: Tensor, u: Tensor, B: Tensor, C: Tensor, A: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        dts, us, Bs, Cs = _as_rows(dt), _as_rows(u), _as_columns(B), _as_rows(C)
        A, h = A.unsqueeze(1), before.unsqueeze(1)
        if dt.shape[1] > 1:  # what all spans but the last write, then the states before the spans
            ends = torch.zeros_like(h.expand(-1, dt.shape[1] - 1, -1, -1))
            decay = torch.empty_like(ends)
            for t in range(len(dts)):
                ends.mul_(_decay(dts[t][:, :-1], A, decay)).addcmul_(Bs[t][:, :-1], us[t][:, :-1])
            total = _decay(dt[:, :-1].sum(2).unsqueeze(-2), A, decay)
            h = torch.cat([h, scan(total, ends, before)], dim=1)
        h, y, kept = h.clone(), torch.empty_like(dt), []
        decay = torch.empty_like(h)
        for t, out in enumerate(_as_rows(y)):
            if t % KEPT == 0:
                kept.append(h.clone())
            h.mul_(_decay(dts[t], A, decay)).addcmul_(Bs[t], us[t])
            out.copy_(Cs[t] @ h)
        return y, h[:, -1].clone(), torch.stack(kept, dim=2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*inputs[:-1], output[2])

    @staticmethod
    def backward(ctx: Any, dy: Tensor, after: Tensor, _: Tensor) -> Any:
        return _Gradient.apply(*ctx.saved_tensors, dy, after)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[tuple[Tensor, ...], int]:
        return _stack_rows(_SelectiveScan, info.batch_size, in_dims, inputs)


class _Gradient(torch.autograd.Function):
    """Gradients of dt, u, B, C, A and h before, from those of y and h after. It has none itself."""

    @staticmethod
    def forward(
        dt: Tensor, u: Tensor, B: Tensor, C: Tensor, A: Tensor, kept: Tensor, dy: Tensor, after: Tensor
    ) -> tuple[Tensor, ...]:
        dts, us, Bs, Cs, dys = _as_rows(dt), _as_rows(u), _as_columns(B), _as_columns(C), _as_rows(dy)
        A, dh = A.unsqueeze(1), after.unsqueeze(1)
        if dt.shape[1] > 1:  # as forward: what spans but the first pass back, then the gradients after the spans
            passed = torch.zeros_like(kept[:, 1:, 0])
            decay = torch.empty_like(passed)
            for t in reversed(range(len(dts))):
                passed.addcmul_(Cs[t][:, 1:], dys[t][:, 1:]).mul_(_decay(dts[t][:, 1:], A, decay))
            total = _decay(dt[:, 1:].sum(2).unsqueeze(-2), A, decay)
            dh = torch.cat([scan(total.flip(1), passed.flip(1), after).flip(1), dh], dim=1)
        dh = dh.clone()
        ddt, du, dB, dC = (torch.empty_like(part) for part in (dt, u, B, C))
        ddts, dus, dBs, dCs = _as_rows(ddt), _as_rows(du), dB.unbind(2), dC.unbind(2)
        dA, product, ones = torch.zeros_like(dh), torch.empty_like(dh), torch.ones_like(Bs[0]).mT
        decays, h = (dh.new_empty(KEPT + 1, *dh.shape).unbind() for _ in range(2))
        for first in reversed(range(0, len(dts), KEPT)):
            h[0].copy_(kept[:, :, first // KEPT])
            again = list(enumerate(range(first, min(first + KEPT, len(dts)))))
            for i, t in again:
                torch.mul(_decay(dts[t], A, decays[i]), h[i], out=h[i + 1]).addcmul_(Bs[t], us[t])
                dCs[t].copy_(torch.mul(h[i + 1], dys[t], out=product).sum(-1))
            for i, t in reversed(again):
                dh.addcmul_(Cs[t], dys[t])
                dus[t].copy_(Bs[t].mT @ dh)
                dBs[t].copy_(torch.mul(dh, us[t], out=product).sum(-1))
                torch.mul(dh.mul_(decays[i]), h[i], out=product)  # the gradient of the exponent dt A
                dA.addcmul_(product, dts[t])
                ddts[t].copy_(ones @ product.mul_(A))  # a sum over N, faster as a matrix product
        return ddt, du, dB, dC, dA.sum(1), dh[:, 0].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        """Keep nothing."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[tuple[Tensor, ...], int]:
        return _stack_rows(_Gradient, info.batch_size, in_dims, inputs)


def _stack_rows(function: Any, K: int, in_dims: tuple[int | None, ...], inputs: tuple[Tensor, ...]) -> Any:
    """Run a function for a stack of K models, whose rows are rows of one: (K, B, ...) -> (K·B, ...)."""
    stacked = [
        part.expand(K, *part.shape) if dim is None else part.movedim(dim, 0)
        for part, dim in zip(inputs, in_dims, strict=True)
    ]
    outputs = function.apply(*(part.flatten(0, 1) for part in stacked))
    return tuple(part.unflatten(0, (K, -1)) for part in outputs), (0,) * len(outputs)


def _decay(dt: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """exp(dt A), written to `out`: (B, S, 1, D), (B, 1, N, D) -> (B, S, N, D)."""
    return torch.mul(dt, A, out=out).exp_()


def _to_spans(x: Tensor) -> Tensor:
    """(B, T, D) -> (B, S, L, D), with zeros after the end: a step of size 0 changes nothing."""
    count = -(-x.shape[1] // SPAN)
    length = -(-x.shape[1] // count)
    return F.pad(x, (0, 0, 0, count * length - x.shape[1])).unflatten(1, (count, length))


def _as_rows(x: Tensor) -> tuple[Tensor, ...]:
    """The positions of all spans: (B, S, L, D) -> L of (B, S, 1, D)."""
    return x.unsqueeze(-2).unbind(2)


def _as_columns(x: Tensor) -> tuple[Tensor, ...]:
    """The positions of all spans: (B, S, L, N) -> L of (B, S, N, 1)."""
    return x.unsqueeze(-1).unbind(2)
