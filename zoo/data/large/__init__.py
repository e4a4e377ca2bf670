"""What a file of gigabytes needs: read in pieces, kept on disk, never shuffled in memory."""
