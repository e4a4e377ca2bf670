"""What a command says that was asked to end. Needs the standard library alone: it may have to be said at any moment."""

import shlex
import sys


def describe_end(code: int) -> str:
    """How the command ended by its exit code, and what to type to go on with what can go on."""
    lines = ["Terminated." if code == 75 else "Interrupted."]
    if sys.argv[1:2] in (["train"], ["compare"]):
        words = [word for word in sys.argv if word != "--fresh"]  # that would begin again
        lines.append(f"To go on: {'python ' * words[0].endswith('.py')}{shlex.join(words)}")
    return "\n".join(lines)
