"""A plugin: comparisons of a judged run take four launch pairs and look once, which is quick and finds what is large."""


def pytest_configure() -> None:
    """In place of the looks that users get."""
    from fixtures.gate import accepted_comparison

    accepted_comparison.LOOKS = (4,)  # type: ignore[misc]
