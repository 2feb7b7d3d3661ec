# Licensed under Apache-2.0.
from .atomic_checkpoint_hook import AtomicCheckpointHook
from .cam_panel_hook import CAMPanelHook
from .iter_seed_hook import IterSeedHook
from .label_stats_hook import LabelStatsHook
from .log_transfer_hook import LogTransferHook
from .norm_statistics_hook import NormStatisticsHook
from .setup_check_hook import SetupCheckHook

__all__ = [
    'AtomicCheckpointHook',
    'CAMPanelHook',
    'IterSeedHook',
    'LabelStatsHook',
    'LogTransferHook',
    'NormStatisticsHook',
    'SetupCheckHook',
]
