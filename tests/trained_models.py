"""The registered models that are trained, and those that are counted."""

from zoo.catalog import MODELS
from zoo.models.interface import is_counted

COUNTED = [name for name in MODELS.names() if is_counted(MODELS.get(name))]
TRAINED = [name for name in MODELS.names() if name not in COUNTED]
