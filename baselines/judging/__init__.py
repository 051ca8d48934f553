"""Verdicts as pure values: numbers in, a judgement out. No file is read here, and nothing is printed.

The rules: `stored` for a benchmark against accepted runs, `suite` for all of them together, `duet` for two environments side
by side. What they are given: `policy` (their constants), `history` and `launch_pairs`. What they say: `judgement`. Their
statistics: `difference`, `spread`, `moderation`, `holm`, `looks`, `interquartile`. `wording` writes numbers everywhere.
"""
