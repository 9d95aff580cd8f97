"""ztrade runs autonomous trading agents unattended.

Each agent has one queue and one worker; a journal is right about money whatever dies.
"""

__version__ = "0.1.0"
