"""How tokens lie in memory, and what lies beside them there, counts for nothing."""

from collections.abc import Iterator

from torch.nn.functional import pad

from zoo.blame import reason
from zoo.conformance.check import Finding, failure, remark
from zoo.conformance.probe import Probe
from zoo.conformance.subject import apart


def beside_in_memory(probe: Probe, T: int) -> Iterator[Finding]:
    """Tokens (B, T) in memory of their own, against the same ones as a view of a larger tensor, of two kinds."""
    tokens = probe.subject.tokens(4, T)
    expected = probe(tokens)
    for view in (pad(tokens, (1, 1))[:, 1:-1], pad(tokens, (0, 0, 1, 1))[1:-1]):  # the second one is contiguous
        try:
            logits = probe(view)
        except Exception as error:
            if view.is_contiguous():
                raise
            if not probe.training:
                yield remark(f"It takes contiguous tokens alone, and is given such. Of others it says: {reason(error)}")
            continue
        if (difference := apart(expected, logits)) > probe.tolerance:
            mode = "In training mode" if probe.training else "In evaluation mode"
            yield failure(
                f"{mode} its logits change by {difference:.2g} when its tokens are a view of a larger tensor, where "
                "others lie behind them: it reads memory that it is not given."
            )
            return
