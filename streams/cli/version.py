"""`evalstream version`."""

from __future__ import annotations

from streams.cli import console, options


def version(as_json: options.Json = False) -> None:
    """Print the versions of evalstream and of what it stands on.

    Example: evalstream version --json
    """
    import platform
    from importlib.metadata import version as installed

    found = {name: installed(name) for name in ("evalstream", "faust-streaming", "aiokafka", "sqlalchemy", "river")}
    found["python"] = platform.python_version()
    if as_json:
        console.emit_json(found)
        return
    for name, number in found.items():
        print(f"{name:16} {number}")
