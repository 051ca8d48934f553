"""Finding what made a benchmark slower: which package, which release of it, or which commit of this checkout.

Between the accepted state and today's lie states that differ by one step each. Two of them at a time are compared side by
side, and what that says moves a probability over the steps. `posterior` is that probability, `search` chooses what to
compare next and when it is enough: both are functions of numbers, so that a search can be replayed. `asked` says what is
searched, `measuring` has launch pairs measured, `along` goes along one path of states, and `culprit` from package to release
to commit.
"""
