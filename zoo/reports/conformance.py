"""Print the result of `check`: a line per check, its findings below, and a sentence at the end."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

WIDTH = 80
SIGNS = {"passed": ("ok", "green"), "failed": ("FAILED", "red"), "skipped": ("waits", "yellow")}


def conformance_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about one model, in colour."""
    checks = document["checks"]
    name = click.style(document["model"], bold=True)
    yield f"{name}  context {document['context']}, vocabulary {document['vocab_size']}"
    column = max(len(check["name"]) for check in checks) + 2
    for check in checks:
        sign, colour = SIGNS[check["status"]]
        waits = check["status"] == "skipped"
        words = f"for {', '.join(check['waits_for'])}" if waits else _indented(check["holds"], column + 8).lstrip()
        yield f"{check['name']:<{column}}{click.style(f'{sign:<8}', fg=colour)}{words}"
        for finding in check["findings"]:
            plain = finding["kind"] == "failure"
            text = finding["text"] if plain else f"{finding['kind']}: {finding['text']}"
            yield click.style(_indented(text, column + 8), dim=not plain)
    yield ""
    yield click.style(describe_verdict(document), bold=True)


def describe_verdict(document: Mapping[str, Any]) -> str:
    """Say whether the model holds the contract, or what it breaks."""
    failed = [check["name"] for check in document["checks"] if check["status"] == "failed"]
    if not failed:
        return f"{document['model']} holds the contract."
    waiting = sum(check["status"] == "skipped" for check in document["checks"])
    rest = f"; {waiting} more wait for {'it' if len(failed) == 1 else 'them'}" if waiting else ""
    return f"{document['model']} breaks the contract: {', '.join(failed)}{rest}."


def _indented(text: str, indent: int) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)
