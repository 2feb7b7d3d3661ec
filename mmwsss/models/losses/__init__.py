# Licensed under Apache-2.0.
"""Weak-label losses: a pure function and a thin registered module in each file."""

from .affinity_loss import AffinityLoss, affinity_loss
from .balanced_cross_entropy import BalancedCrossEntropy, balanced_cross_entropy
from .class_token_contrast import ClassTokenContrast, class_token_contrast
from .dense_energy_loss import DenseEnergyLoss, dense_energy_loss
from .multi_label_soft_margin import MultiLabelSoftMargin, multi_label_soft_margin
from .patch_token_contrast import PatchTokenContrast, patch_token_contrast
from .pixel_cross_entropy import PixelCrossEntropy, pixel_cross_entropy
from .saliency_loss import SaliencyLoss, saliency_loss
from .self_distillation import SelfDistillation, self_distillation

__all__ = [
    'AffinityLoss', 'BalancedCrossEntropy', 'ClassTokenContrast', 'DenseEnergyLoss',
    'MultiLabelSoftMargin', 'PatchTokenContrast', 'PixelCrossEntropy',
    'SaliencyLoss', 'SelfDistillation', 'affinity_loss', 'balanced_cross_entropy',
    'class_token_contrast', 'dense_energy_loss', 'multi_label_soft_margin',
    'patch_token_contrast', 'pixel_cross_entropy', 'saliency_loss', 'self_distillation',
]
