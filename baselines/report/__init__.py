"""What is printed of a comparison: a terminal table, Markdown, JSON, an HTML page; a file for each.

`view` makes rows and words out of the verdicts once, so that all formats show the same cells. Nothing here judges, and
nothing reads a report back: verdicts.json is for other programs.
"""
