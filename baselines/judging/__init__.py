"""Verdicts as pure values: numbers in, a judgement out. No file is read here, and nothing is printed.

`stored` judges a launch against accepted runs, `duet` two environments side by side; `spread`, `moderation` and `middle` are
their statistics, `judgement` what both are given and say, `wording` how numbers are written everywhere.
"""
