"""A run against accepted ones: what is comparable, what was disturbed, what differs, and the verdicts in words.

`comparison` is all of it for the commands; the gate of a pytest session uses its parts: `differences`, `disturbance`,
`stored_message` and `duet_message`. `confirmation_file` has what a duet found of a red run afterwards.
"""
