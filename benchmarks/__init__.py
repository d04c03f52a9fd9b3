"""Benchmarks: each measures its figure and its baseline in one interleaved run."""
