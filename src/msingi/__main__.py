"""`python -m msingi`: the same as the command `msingi`."""

from msingi.cli import main

if __name__ == "__main__":
    main()
