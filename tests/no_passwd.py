"""Plugin: this user has no entry in passwd, as in many containers."""

import pwd


def _missing(uid: int) -> None:
    raise KeyError(f"getpwuid(): uid not found: {uid}")


pwd.getpwuid = _missing  # type: ignore[assignment]
