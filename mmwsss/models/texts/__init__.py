# Licensed under Apache-2.0.
"""Classes as texts: words, vectors, and the encoder that makes them once."""
