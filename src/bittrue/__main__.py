"""`python -m bittrue`: the command line."""

from bittrue.cli.app import main

if __name__ == "__main__":
    main()
