# Licensed under Apache-2.0.
"""A stranger's pictures, labels and masks as one checked folder of known layout.

``found_parts`` says what a folder holds, ``stratified_split`` draws the splits,
``mask_ids`` reads masks of other tools, ``own_folder`` plans and writes, and
``folder_facts`` tells what a config needs to know of it.
"""
