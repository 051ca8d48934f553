"""Accepting runs into a baseline: every reason to refuse first (`refusals`), then the writing (`accept`)."""
