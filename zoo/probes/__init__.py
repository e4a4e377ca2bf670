"""Measurements of a model: FLOPs, receptive field, memory, forbidden dependences. They need no data or training."""
