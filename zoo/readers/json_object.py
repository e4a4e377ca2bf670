"""Parse a JSON object."""

import json
from typing import Any


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """The object; None if the text is no JSON, or of another type."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
