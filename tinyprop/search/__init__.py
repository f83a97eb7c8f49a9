"""Searching for settings instead of training every combination: which trials, and what came of them.

Optuna proposes and remembers; it is imported only where it is used, since it is an extra.
"""
