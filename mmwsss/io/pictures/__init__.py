# Licensed under Apache-2.0.
"""The one reader of pictures: every stage reads them here, by the same rule.

``reader`` is what others call; ``picture_rule`` says what a data set's config may ask
for, ``picture_kind`` what a file holds, ``levels`` the arithmetic.
"""
