"""`python -m scenesift`: the command line, for where `scenesift` is not on the path."""

from scenesift.cli import main

if __name__ == "__main__":
    main()
