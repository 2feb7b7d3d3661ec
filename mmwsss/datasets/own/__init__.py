# Licensed under Apache-2.0.
"""A user's pictures, labels and masks as one checked folder of known layout.

``found_parts`` says what a folder holds, ``gathered`` reads it, ``stratified_split``
draws the splits, ``mask_ids`` reads masks of other tools, ``own_folder`` plans and
writes, and ``layout`` says what lies where then. ``folder_cfgs`` makes configs of the
data sets of a folder as it is.
"""
