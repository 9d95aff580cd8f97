"""``ztrade demo``: the whole stack trades a day on the embedded exchange while a person watches."""

from ztrade.cli.demo.command import demo

__all__ = ["demo"]
