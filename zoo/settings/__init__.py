"""Settings: each is one pydantic field, from which its flag, its name in Python and its line in the docs are made."""
