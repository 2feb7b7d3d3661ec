# Licensed under Apache-2.0.
"""Three small methods in a package of their own; mmwsss knows nothing of them.

Python finds the package by ``PYTHONPATH``, mmwsss by ``custom_imports`` of the configs.
"""
