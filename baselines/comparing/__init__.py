"""A run against accepted ones: what is comparable, what was disturbed, what differs, and the verdicts in words.

Reads through `files`, judges through `judging`. Neighbours: `report` shows a comparison, `commands` asks for one, and
so does the gate of a pytest session.
"""
