"""Check that logits depend neither on the memory layout of tokens nor on neighbouring memory."""

from collections.abc import Iterator

from torch.nn.functional import pad

from zoo.blame import describe_error
from zoo.conformance.check import Finding, failure, remark
from zoo.conformance.fresh_model import FreshModel
from zoo.conformance.subject import relative_difference


def compare_memory_layouts(fresh: FreshModel, T: int) -> Iterator[Finding]:
    """Compare logits of tokens in their own memory with those of two views of a larger tensor, one not contiguous."""
    tokens = fresh.subject.tokens(2, T)
    expected = fresh(tokens)
    for view in (pad(tokens, (1, 1))[:, 1:-1], pad(tokens, (0, 0, 1, 1))[1:-1]):  # the second one is contiguous
        try:
            logits = fresh(view)
        except Exception as error:
            if view.is_contiguous():
                raise
            if not fresh.training:
                yield remark(
                    "It works on contiguous tokens only; the zoo passes no others. On others it raises "
                    f"{describe_error(error)}"
                )
            continue
        if (difference := relative_difference(expected, logits)) > fresh.tolerance:
            mode = "In training mode" if fresh.training else "In evaluation mode"
            yield failure(
                f"{mode} its logits change by {difference:.2g} when its tokens are a view of a larger tensor: it "
                "reads memory outside of the view."
            )
            return
