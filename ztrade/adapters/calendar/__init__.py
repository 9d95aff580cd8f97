"""The packaged calendar of the New York Stock Exchange."""

from ztrade.adapters.calendar.nyse import NyseCalendar

__all__ = ["NyseCalendar"]
