"""Check the shape of logits for many B, T and V, and that the model does not write into its tokens."""

from collections.abc import Iterator

from torch import Tensor

from zoo.conformance.check import Check, Finding, failure, note_place
from zoo.conformance.subject import Subject, compute_logits

WRITES = "It writes into the tokens that it is given: copy them first (tokens.clone()). Its targets may be among them."


def find(subject: Subject) -> Iterator[Finding]:
    """Try 0, 1 and more rows, of lengths below, at and above N, and of a prime length."""
    N = subject.context
    around = [(2, max(1, N - 1)), (3, N), (2, N + 1), (1, 3 * N)]
    for V in (subject.vocab_size, 2, 300):
        model = subject.build(vocab_size=V).eval()
        more = around if subject.vocab_size == V or not subject.long else []
        for B, T in [(1, 1), *more, (2, 37), (1, 340), (17, 2), (0, N)]:
            tokens = subject.tokens(B, T) % V
            before = tokens.clone()
            with note_place(f"on tokens of shape ({B}, {T}), V={V}, N={N}"):
                logits = compute_logits(model, tokens)
            if not isinstance(logits, Tensor):
                yield failure(f"It returns a {type(logits).__name__}, not logits: a tensor (B, T, V). See `zoo.adapt`.")
                return
            shape, expected = tuple(logits.shape), (B, T, V)
            if shape != expected or not logits.is_floating_point():
                kind = str(logits.dtype).removeprefix("torch.")
                yield failure(f"Tokens of shape ({B}, {T}) give {kind} of shape {shape}, not logits {expected}.")
                return
            if not logits.isfinite().all():
                yield failure(f"A logit is not finite, on tokens of shape ({B}, {T}) and fresh weights.")
                return
            if not before.equal(tokens):
                yield failure(WRITES)
                return
    for training in (False, True):
        tokens = subject.unseen_tokens(*subject.scored[-1])
        before = tokens.clone()
        compute_logits(subject.build().train(training), tokens, gradients=training)
        if not before.equal(tokens):
            mode = "training" if training else "evaluation"
            yield failure(f"In {mode} mode {WRITES[0].lower()}{WRITES[1:]}")
            return


CHECK = Check("shape", "Logits (B, T, V) for every B, T and V.", find)
