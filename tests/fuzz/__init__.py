"""Hostile bytes into everything that reads from outside: refused in words, or taken as agreed.

Each target is a strategy and a check that raises when a promise is broken. The suite runs some
hundred examples of each, `make fuzz` as many as fit into its minutes.
"""
