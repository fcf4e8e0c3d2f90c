"""`python -m lab` is the `latentlab` command."""

from lab.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
