"""Hint for an unknown flag that is an option of a model on the command line."""

from collections.abc import Sequence
from contextlib import suppress


def find_hint(flag: str, words: Sequence[str]) -> str:
    """For `train wavenet --embedding 10`: "Write options of a model after its name: 'wavenet(embedding=10)'.".

    Returns "" if no model on the command line has such an option.

    Args:
        flag: the unknown flag, with its dashes.
        words: the words of the command line.
    """
    from registry import RegistryError
    from zoo.calls import parse_call, split_at_commas
    from zoo.catalog import MODELS
    from zoo.errors import ZooError

    option = flag.lstrip("-").replace("-", "_")
    place = next((number for number, word in enumerate(words) if word.partition("=")[0] == flag), len(words))
    _, equals, value = words[place].partition("=") if place < len(words) else ("", "", "")
    if not equals and place + 1 < len(words) and not words[place + 1].startswith("-"):
        value = words[place + 1]
    for word in words:
        with suppress(RegistryError, ZooError, ImportError):
            for text in split_at_commas(word):
                call = parse_call(text)
                if call.name not in MODELS.names() or option not in MODELS.get(call.name).Config.model_fields:
                    continue
                options = {**call.options, option: value or "..."}
                written = ",".join(f"{name}={given}" for name, given in options.items())
                return f"Write options of a model after its name: '{call.name}({written})'."
    return ""
