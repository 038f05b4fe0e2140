"""`python -m vistune` is the command `vistune`."""

from __future__ import annotations

from vistune.cli.app import main

if __name__ == "__main__":
    main()
