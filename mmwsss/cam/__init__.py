# Licensed under Apache-2.0.
"""Pure functions from raw CAM logits to pseudo labels. Nothing but torch below."""

from .box_refine import par_in_boxes, refined_propagated_label
from .class_attention import class_relative_attention
from .classes import ImageLabels
from .complement import ClassPairs, complementary_images, strongest_other
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
from .masking import (
    block_grid,
    blocks_to_tokens,
    choose_blocks,
    masked_count,
    masked_tokens,
    take_tokens,
    uncertain_blocks,
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
from .semantics import clamped_cosine, class_embedding, gate_semantics

__all__ = [
    'IGNORE',
    'ClassPairs',
    'ImageLabels',
    'affinity_targets',
    'background_stacks',
    'block_grid',
    'blocks_to_tokens',
    'box_mask',
    'check_thresholds',
    'choose_blocks',
    'clamped_cosine',
    'class_embedding',
    'class_relative_attention',
    'complementary_images',
    'crop_candidates',
    'crop_flags',
    'cut_crops',
    'denormalise',
    'draw_corners',
    'fuse_cams',
    'fuse_seg_logits',
    'gate_semantics',
    'label_shares',
    'long_side_size',
    'masked_count',
    'masked_tokens',
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
    'strongest_other',
    'take_tokens',
    'three_way_label',
    'threshold_label',
    'token_label',
    'transition_matrix',
    'truncate_to_unit',
    'window_mask',
    'uncertain_blocks',
    'with_background',
    'with_mirror',
]
