"""The suite's own tests: one file per module, and stories across them (`test_stories_*.py`)."""
