"""``python cli.py fit --config inversion.yaml``."""

from lit_nst.cli import main

if __name__ == "__main__":
    main()
