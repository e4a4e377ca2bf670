"""From a declared run to its record: resolve, choose how, train, score, measure."""
