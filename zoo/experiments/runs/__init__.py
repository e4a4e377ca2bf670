"""Turn a declared run into its record: resolve, choose how to execute, train, score, measure."""
