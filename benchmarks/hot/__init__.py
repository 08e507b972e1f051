"""Micro-benchmarks of the functions that every request runs, held to a committed baseline of ratios."""
