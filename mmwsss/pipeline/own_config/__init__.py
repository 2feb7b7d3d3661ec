# Licensed under Apache-2.0.
"""A config for a user's folder, with nothing left to edit.

``templates`` finds the config of a method that it stands on, ``fit_run`` decides crop
and length, ``scaled_settings`` and ``fitted_pipeline`` what follows from them, and
``config_text`` writes.
"""
