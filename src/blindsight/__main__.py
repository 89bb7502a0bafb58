"""``python -m blindsight``: the same as the command ``blindsight``."""

from blindsight.cli.main import main

if __name__ == "__main__":
    main()
