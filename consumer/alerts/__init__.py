"""Alerts: a pure function of the alerts before, a bucket's counts and forecasts, and the rules."""
