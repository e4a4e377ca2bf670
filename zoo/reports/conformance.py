"""`check`, as a terminal shows it: a line a check, what it found below, and in the end one sentence."""

import textwrap
from typing import Any

import click

WIDTH = 80
SIGNS = {"passed": ("ok", "green"), "failed": ("FAILED", "red"), "skipped": ("waits", "yellow")}


def print_conformance(document: dict[str, Any]) -> None:
    """The contract over one model."""
    checks = document["checks"]
    click.secho(document["model"], bold=True, nl=False)
    click.echo(f"  context {document['context']}, vocabulary {document['vocab_size']}")
    column = max(len(check["name"]) for check in checks) + 2
    for check in checks:
        sign, colour = SIGNS[check["status"]]
        click.echo(f"{check['name']:<{column}}", nl=False)
        click.secho(f"{sign:<8}", fg=colour, nl=False)
        if check["status"] == "skipped":
            click.echo(f"for {', '.join(check['waits_for'])}")
        else:
            click.echo(_indented(check["holds"], column + 8).lstrip())
        for finding in check["findings"]:
            text = finding["text"] if finding["kind"] == "failure" else f"{finding['kind']}: {finding['text']}"
            click.secho(_indented(text, column + 8), dim=finding["kind"] != "failure")
    failed = [check["name"] for check in checks if check["status"] == "failed"]
    click.echo()
    if not failed:
        click.secho(f"{document['model']} holds the contract.", bold=True)
        return
    waiting = sum(check["status"] == "skipped" for check in checks)
    rest = f"; {waiting} more wait for it" if waiting else ""
    click.secho(f"{document['model']} breaks the contract: {', '.join(failed)}{rest}.", bold=True)


def _indented(text: str, indent: int) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)
