"""Explaining: where in a model the time goes, and between two sides where the difference is.

`chosen` picks benchmarks of a run, `profile_run` has pytest profile extra launches of them, `profiles` reads what they gave,
`explanation` makes classes and layers with intervals of it, `wording` says it, `explanation_file` keeps it for the report.
"""
