"""Putting ztrade on a machine: what ``ztrade setup`` and ``ztrade deploy`` write, all of it or nothing."""
