"""What searches have in common that have launches measured one by one: `bisect` and `tune`.

`session` is a session of pytest that stays up and measures what it is told; `log` keeps every answer on disk, so that a
search that was interrupted goes on.
"""
