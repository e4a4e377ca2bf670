"""Selective scan: the recurrence of Mamba, with N hidden numbers for every channel.

    h_t = exp(dt_t A) · h_{t-1} + B_t (dt_t x_t)ᵀ,    y_t = C_tᵀ h_t

Decays and hidden numbers of all positions are N times as large as x. As in the kernel of Gu and Dao 2023 (section
3.3.2) each is made where it is used: a position at a time, and again for the gradient, from states kept every 8
positions. A long row is cut into spans of at most 128 positions, and a loop over the positions of a span treats all
spans together. It needs the states before the spans, which a first loop and a `scan` over spans give.

Letters are those of the paper: D channels, N numbers each; S is the number of spans, L their length, R = B·S.
"""

from collections.abc import Sequence
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
        shape, rates = dt.shape[:2], _of_spans(A, dt.shape[1])
        dts, us, Bs, Cs = _as_rows(dt), _as_rows(u), _as_columns(B), _as_rows(C)
        h, decay = before.new_zeros(2, *rates.shape)
        if shape[1] > 1:  # what the spans write, then the states before them
            for dt_t, u_t, B_t in zip(dts, us, Bs, strict=True):
                h.mul_(_decay(dt_t, rates, decay)).addcmul_(B_t, u_t)
            before = _before_spans(dt, A, h.unflatten(0, shape), before)
        h.copy_(before.view_as(h))
        y, kept = torch.empty_like(us), h.new_empty(-(-len(us) // KEPT), *h.shape)
        for t, (dt_t, u_t, B_t, C_t, y_t) in enumerate(zip(dts, us, Bs, Cs, y, strict=True)):
            if t % KEPT == 0:
                kept[t // KEPT].copy_(h)
            h.mul_(_decay(dt_t, rates, decay)).addcmul_(B_t, u_t)
            torch.bmm(C_t, h, out=y_t)
        return _as_spans(y, shape), h.unflatten(0, shape)[:, -1].clone(), kept.unflatten(1, shape).movedim(0, 2)

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
        shape, rates, kept = dt.shape[:2], _of_spans(A, dt.shape[1]), kept.movedim(2, 0).flatten(1, 2)
        dts, us, Bs, Cs, dys = _as_rows(dt), _as_rows(u), _as_columns(B), _as_columns(C), _as_rows(dy)
        dh, dA, decay = dt.new_zeros(3, *rates.shape)
        if shape[1] > 1:  # as forward: what the spans pass back, then the gradients after them
            for dt_t, C_t, dy_t in zip(dts.flip(0), Cs.flip(0), dys.flip(0), strict=True):
                dh.addcmul_(C_t, dy_t).mul_(_decay(dt_t, rates, decay))
            after = _before_spans(dt.flip(1), A, dh.unflatten(0, shape).flip(1), after).flip(1)
        dh.copy_(after.reshape(dh.shape))
        ddt, du, dB, dC = (torch.empty_like(part) for part in (dts, us, Bs, Cs))
        h, dhs, decays = (dh.new_empty(KEPT + 1, *dh.shape) for _ in range(3))
        ones = torch.ones_like(Bs[:KEPT]).mT
        for first in reversed(range(0, len(dts), KEPT)):
            h[0].copy_(kept[first // KEPT])
            part = slice(first, first + KEPT)
            parts = list(zip(dts[part], us[part], Bs[part], Cs[part], dys[part], strict=True))
            for i, (dt_t, u_t, B_t, _, _) in enumerate(parts):
                torch.mul(_decay(dt_t, rates, decays[i]), h[i], out=h[i + 1]).addcmul_(B_t, u_t)
            for i, (dt_t, _, _, C_t, dy_t) in reversed(list(enumerate(parts))):
                torch.addcmul(dh, C_t, dy_t, out=dhs[i])
                torch.mul(dhs[i], decays[i], out=dh)
                torch.mul(dh, h[i], out=decays[i])  # the gradient of the exponent dt A, in place of the decay
                dA.addcmul_(decays[i], dt_t)
            count = len(parts)
            _multiply(h[1 : count + 1], dys[part].mT, dC[part])
            _multiply(Bs[part].mT, dhs[:count], du[part])
            _multiply(dhs[:count], us[part].mT, dB[part])
            _multiply(ones[:count], decays[:count].mul_(rates), ddt[part])  # a sum over N
        gradients = (_as_spans(part, shape) for part in (ddt, du, dB, dC))
        return *gradients, dA.unflatten(0, shape).sum(1), dh.unflatten(0, shape)[:, 0].clone()

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


def _before_spans(dt: Tensor, A: Tensor, written: Tensor, first: Tensor) -> Tensor:
    """The states before all spans, (B, S, N, D), from what each writes into a state of zeros, and the first."""
    decays = (dt.sum(2).unsqueeze(2) * A.unsqueeze(1))[:, :-1].exp()
    return torch.cat([first.unsqueeze(1), scan(decays, written[:, :-1], first)], dim=1)


def _decay(dt: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """exp(dt A), written to `out`: (R, 1, D), (R, N, D) -> (R, N, D)."""
    return torch.mul(dt, A, out=out).exp_()


def _multiply(x: Tensor, y: Tensor, out: Tensor) -> None:
    """Write the products of matrices to `out`: (L, R, I, J), (L, R, J, K) -> (L, R, I, K)."""
    torch.bmm(x.flatten(0, 1), y.flatten(0, 1), out=out.flatten(0, 1))


def _to_spans(x: Tensor) -> Tensor:
    """(B, T, D) -> (B, S, L, D), with zeros after the end: a step of size 0 changes nothing."""
    count = -(-x.shape[1] // SPAN)
    length = -(-x.shape[1] // count)
    return F.pad(x, (0, 0, 0, count * length - x.shape[1])).unflatten(1, (count, length))


def _of_spans(A: Tensor, spans: int) -> Tensor:
    """The rates of every span, without a copy: (B, N, D) -> (B·S, N, D)."""
    return A.unsqueeze(1).expand(-1, spans, -1, -1).flatten(0, 1)


def _as_rows(x: Tensor) -> Tensor:
    """Position by position, all spans: (B, S, L, D) -> (L, B·S, 1, D)."""
    return x.flatten(0, 1).transpose(0, 1).unsqueeze(2).contiguous()


def _as_columns(x: Tensor) -> Tensor:
    """Position by position, all spans: (B, S, L, N) -> (L, B·S, N, 1)."""
    return _as_rows(x).mT


def _as_spans(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Back again: (L, B·S, 1, D) or (L, B·S, D, 1) -> (B, S, L, D)."""
    return x.flatten(2).transpose(0, 1).unflatten(0, shape)
