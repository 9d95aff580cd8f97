"""The fault matrix: the real stack, killed and cut at every step of a cycle, judged by the exchange's own book."""
