"""Measurements of a model alone: FLOPs, receptive field, memory, what its logits depend on."""
