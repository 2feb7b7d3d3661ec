# Licensed under Apache-2.0.
"""Pure functions from raw CAM logits to pseudo labels. Nothing but torch below."""

from .box_refine import par_in_boxes, refined_propagated_label
from .classes import ImageLabels
from .crops import crop_candidates, crop_flags, cut_crops, draw_corners
from .fusion import (
    fuse_cams,
    fuse_seg_logits,
    long_side_size,
    merge_mirror,
    multi_scale,
    normalise_cam,
    resize,
    scale_order,
    scaled_size,
    with_mirror,
)
from .labels import (
    IGNORE,
    affinity_targets,
    box_mask,
    check_thresholds,
    outside_box_to_ignore,
    roi_levels,
    scale_box,
    strongest_class,
    three_way_label,
    threshold_label,
    token_label,
    window_mask,
)
from .propagation import propagate, propagate_cams, transition_matrix
from .refine import (
    background_stacks,
    denormalise,
    label_shares,
    merge_high_low,
    refine_soft_maps,
    refined_label,
    truncate_to_unit,
)
from .score_maps import refine_stacks, with_background

__all__ = [
    'IGNORE',
    'ImageLabels',
    'affinity_targets',
    'background_stacks',
    'box_mask',
    'check_thresholds',
    'crop_candidates',
    'crop_flags',
    'cut_crops',
    'denormalise',
    'draw_corners',
    'fuse_cams',
    'fuse_seg_logits',
    'label_shares',
    'long_side_size',
    'merge_high_low',
    'merge_mirror',
    'multi_scale',
    'normalise_cam',
    'outside_box_to_ignore',
    'par_in_boxes',
    'propagate',
    'propagate_cams',
    'refine_soft_maps',
    'refine_stacks',
    'refined_label',
    'refined_propagated_label',
    'resize',
    'roi_levels',
    'scale_box',
    'scale_order',
    'scaled_size',
    'strongest_class',
    'three_way_label',
    'threshold_label',
    'token_label',
    'transition_matrix',
    'truncate_to_unit',
    'window_mask',
    'with_background',
    'with_mirror',
]
