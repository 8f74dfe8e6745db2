"""Run the commands with `python -m hansa`."""

from hansa.cli import main

if __name__ == "__main__":
    main()
