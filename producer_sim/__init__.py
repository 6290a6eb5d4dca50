"""The simulator: traffic as a platform would see it, faults on demand, and the exact truth."""
