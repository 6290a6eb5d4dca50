"""Real Kafka and real Redis on a Linux machine without Docker."""
