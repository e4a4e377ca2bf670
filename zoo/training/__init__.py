"""One loop for every model: loss, optimizer, evaluation, checkpoints."""
