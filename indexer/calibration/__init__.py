"""Calibration of a live generation: a maintenance job that writes what searches then keep."""
