"""The protocol under every fault, on the real code: members run the consumer's own loop and closer.

A `World` holds an in-memory Kafka and a real store; its members' calls on either are the points
where another may go on, a process may die or stop, and a reply may get lost.
"""
