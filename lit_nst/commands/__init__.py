"""Commands beside ``fit``: one module each, with ``main(args)``."""
