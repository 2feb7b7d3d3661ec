# Licensed under Apache-2.0.
"""Weak-label losses: a pure function and a thin registered module in each file."""

from .activation_complementation import (
    ActivationComplementation,
    activation_complementation,
)
from .activation_suppression import ActivationSuppression, activation_suppression
from .affinity_loss import AffinityLoss, affinity_loss
from .attention_consistency import (
    AttentionConsistency,
    relu_consistency,
    softmax_consistency,
)
from .balanced_cross_entropy import BalancedCrossEntropy, balanced_cross_entropy
from .class_contrast import ClassBackgroundLoss, ClassForegroundLoss, class_contrast
from .class_token_contrast import ClassTokenContrast, class_token_contrast
from .dense_energy_loss import DenseEnergyLoss, dense_energy_loss
from .multi_label_soft_margin import MultiLabelSoftMargin, multi_label_soft_margin
from .pair_affinity_loss import PairAffinityLoss, pair_affinity_loss
from .patch_token_contrast import PatchTokenContrast, patch_token_contrast
from .pixel_cross_entropy import PixelCrossEntropy, pixel_cross_entropy
from .reconstruction import Reconstruction, reconstruction
from .saliency_loss import SaliencyLoss, saliency_loss
from .self_distillation import SelfDistillation, self_distillation
from .semantic_similarity import SemanticSimilarity, semantic_similarity

__all__ = [
    'ActivationComplementation',
    'ActivationSuppression',
    'AffinityLoss',
    'AttentionConsistency',
    'BalancedCrossEntropy',
    'ClassBackgroundLoss',
    'ClassForegroundLoss',
    'ClassTokenContrast',
    'DenseEnergyLoss',
    'MultiLabelSoftMargin',
    'PairAffinityLoss',
    'PatchTokenContrast',
    'PixelCrossEntropy',
    'Reconstruction',
    'SaliencyLoss',
    'SelfDistillation',
    'SemanticSimilarity',
    'activation_complementation',
    'activation_suppression',
    'affinity_loss',
    'balanced_cross_entropy',
    'class_contrast',
    'class_token_contrast',
    'dense_energy_loss',
    'multi_label_soft_margin',
    'pair_affinity_loss',
    'patch_token_contrast',
    'pixel_cross_entropy',
    'reconstruction',
    'relu_consistency',
    'saliency_loss',
    'self_distillation',
    'semantic_similarity',
    'softmax_consistency',
]
