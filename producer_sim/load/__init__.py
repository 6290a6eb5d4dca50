"""The load test: planned send times, latencies counted from them, the highest rate that holds."""
