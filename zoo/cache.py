"""Find the cache directory: downloaded and prepared texts, and digests of sources."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """Cache directory: ZOO_CACHE_DIR, or the platform's."""
    if chosen := os.environ.get("ZOO_CACHE_DIR"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("sequence-zoo", appauthor=False))
