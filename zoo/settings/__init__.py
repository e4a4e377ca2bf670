"""Settings: one pydantic field each, which gives the flag, the keyword in Python and the line in the docs."""
