"""Kafka's side of the consumer: the only place in it that imports the client."""
