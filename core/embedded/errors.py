"""The one error of this package. Its message is meant for the person at the terminal."""


class EmbeddedError(RuntimeError):
    """The servers could not be found, started or reached. The message says what to do."""
