"""Text to tokens to batches: corpora, vocabulary, splits and rows."""
