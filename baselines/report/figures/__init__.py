"""The figures of a report: one per question of the study, drawn from the JSON of a run alone.

lines.py, choices.py, cpus.py and history.py turn what was measured (report/points.py) into figures (values.py), draw.py
draws them, questions.py has them in order. A question that was not measured is a figure too: with a reason, and no panels.
"""
