"""Records of runs and comparisons, and fingerprints that identify equal runs."""
