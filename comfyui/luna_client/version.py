"""The version of the client, the same as luna's."""

__version__ = "0.1.0"
