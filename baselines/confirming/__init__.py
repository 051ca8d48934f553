"""Confirming a red run: what was slower than accepted runs is measured in a duet before it stays red.

The machine drifts between nights, and a stored number cannot tell that from a slower package; a duet with the environment of
the accepted run can. It compares packages only: both sides run the code of this checkout. So a benchmark is cleared when the
duet excludes a slowdown by the stored rule's minimum effect, *and* the code that measures is that of its accepted run.

`suspects` picks them, `duet_run` measures them, `findings` says what was found; `comparing/confirmation_file.py` keeps it.
"""
