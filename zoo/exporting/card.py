"""The model card of an export: what the model is, how good, how to call it, and its files with their digests."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from zoo.data.vocabulary import Vocabulary
from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.single import RunSummary
from zoo.experiments.records.run import read_losses
from zoo.exporting.check import Checked
from zoo.reports.markup import escape, fence, write_table
from zoo.reports.numbers import loss, storage
from zoo.reports.run_facts import describe_end, describe_setting

NAMES = {"torch-export": "a program of torch.export", "onnx": "ONNX"}


def write_card(
    run: RunSummary,
    place: Path,
    vocabulary: Vocabulary,
    *,
    to: str,
    streaming: bool,
    snippet: str,
    checked: Checked,
    files: Sequence[Path],
) -> str:
    """Write the card in Markdown.

    Args:
        place: directory of the run.
        to: format of the export.
        snippet: lines that call the model.
        files: the other files of the export.
    """
    what = "One step of a stream" if streaming else "The forward pass"
    facts = describe_setting(run)
    parts = [
        f"# {escape(run.label)}, trained on {escape(run.recorded.data.name)}",
        f"{what} as {NAMES[to]}, from the run `{run.recorded.fingerprint}` of sequence-zoo.",
        write_table({"setting": list(facts), "value": [*map(escape, facts.values())]}, left=("setting", "value")),
        escape(describe_end(run)),
        f"## Loss\n\n{describe_loss(run, place)}",
        f"## Call it\n\n{describe_call(streaming)}\n\n{fence(snippet.rstrip(), 'python')}",
        f"## Vocabulary\n\n{describe_vocabulary(vocabulary)}",
        f"## Check\n\n{describe_check(checked)}",
        f"## Files\n\n{list_files(files)}\n\nThe weights of the run: `{run.result.weights_sha256}`.",
    ]
    return "\n\n".join(parts) + "\n"


def describe_loss(run: RunSummary, place: Path) -> str:
    """Give the loss of test, or of validation, with its interval over new documents."""
    result = run.result
    found = {"test": result.test_loss, "validation": result.validation_loss}
    split, mean = next(((split, value) for split, value in found.items() if value is not None), ("", None))
    if result.status != "finished" or mean is None:
        return f"The run has no loss: it is {result.status}."
    nats, tokens = read_losses(place, split)
    stream = run.recorded.data.is_stream
    units = "series" if stream else "documents"
    estimate = analyse([run.label], nats[None, None], tokens, units=units, fixed=True).estimates[run.label]  # type: ignore[arg-type]
    interval = f"no interval: {estimate.withheld}"
    if estimate.low is not None and estimate.high is not None:
        over = "more text like it" if stream else "new documents"
        interval = f"95% interval {loss(estimate.low)} to {loss(estimate.high)} over {over}, for these weights"
    return f"{split.capitalize()} {loss(mean)} nats per token ({interval})."


def describe_call(streaming: bool) -> str:
    """Say what goes in and out."""
    if streaming:
        return (
            "`tokens` (B,), 64-bit integers, and the state of B streams -> `logits` (B, V) of the token after, and the "
            "next state. B is any number; `state.npz` is the state of one new stream: repeat it along its first axis "
            "for more. A stream begins with the boundary token 0."
        )
    return (
        "`tokens` (B, T), 64-bit integers -> `logits` (B, T, V) of the token after each position, from the past alone. "
        "B and T are any numbers. A row begins with the boundary token 0."
    )


def describe_vocabulary(vocabulary: Vocabulary) -> str:
    """Say what the tokens are."""
    count = f"{len(vocabulary):,} tokens. 0 is the boundary of a text"
    if vocabulary.pairs:
        return f"{count}; token i + 1 is token i of `tokenizer.json`."
    if vocabulary.characters is None:
        return f"{count}; token i + 1 is the byte i."
    return f"{count}; the others are these characters, from 1 on:\n\n{fence(ascii(vocabulary.characters))}"


def describe_check(checked: Checked) -> str:
    """Say on which tokens the file was compared with the model, and what that found."""
    shapes = ", ".join(f"{rows} × {length}" for rows, length in checked.shapes)
    return (
        f"The logits of the file were compared with the model's on rows × tokens {shapes}, other numbers than it was "
        f"traced with. They differ by {checked.difference:.2g} at most, relative to the largest where that is above 1."
    )


def list_files(files: Sequence[Path]) -> str:
    """List files with sizes and digests."""
    return write_table(
        {
            "file": [f"`{file.name}`" for file in files],
            "size": [storage(file.stat().st_size) for file in files],
            "SHA-256": [f"`{sha256(file.read_bytes()).hexdigest()}`" for file in files],
        },
        left=("file", "SHA-256"),
    )
