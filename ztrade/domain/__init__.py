"""The core: values and pure functions. No I/O, no clock, no environment, standard library only."""
