"""Searching for the best deployment: which backend, number format, threads, instances, batch and knobs are the fastest.

`space` has what is chosen among, `objective` what is better, `race` says from launches which could still be the best,
`search` goes from number formats to layouts and `knobs` from there, `beside` compares the best with the default and the
runner-up side by side. They are functions of what is measured and of the time it takes, so that a search can be replayed on
recorded launches. `asked` says what is searched, `measuring` has launches measured by a session of pytest and keeps them;
`answer` is what is said in the end.
"""
