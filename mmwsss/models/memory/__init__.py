# Licensed under Apache-2.0.
"""What a method remembers over iterations: queues of features, prototypes."""
