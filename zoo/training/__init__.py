"""Training, the same for every model: loss, optimizer, loop, evaluation, checkpoints."""
