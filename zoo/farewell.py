"""Message of an interrupted command. Standard library only, because a signal may come at any moment."""

import shlex
import sys


def describe_end(code: int) -> str:
    """Describe how a command with this exit code ended and, for `train` and `compare`, how to go on."""
    lines = ["Terminated." if code == 75 else "Interrupted."]
    if sys.argv[1:2] in (["train"], ["compare"]):
        words = [word for word in sys.argv if word != "--fresh"]  # --fresh would start over
        lines.append(f"To go on: {'python ' * words[0].endswith('.py')}{shlex.join(words)}")
    return "\n".join(lines)
