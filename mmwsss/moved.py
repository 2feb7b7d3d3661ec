# Licensed under Apache-2.0.
"""Old module paths: an import of one gives the module at its new place, and says so.

Configs (``custom_imports``) and scripts that were written before the rooms were
opened go on working; each old path is named once, with the new one.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PREFIX = __package__ + '.'
#: each line: module below ``mmwsss`` before, and now
TABLE = """
apis.evaluate.label_stats pipeline.evaluate.folder_stats
apis.evaluate.maps pipeline.evaluate.evaluate_maps
apis.evaluate.report pipeline.evaluate.score_report
apis.evaluate.tasks pipeline.evaluate.eval_tasks
apis.experiment pipeline.experiment
apis.generate.cfg pipeline.generate.generate_cfg
apis.generate.data pipeline.generate.split_images
apis.generate.maps pipeline.generate.network_maps
apis.generate.run pipeline.generate.generate_labels
apis.generate.walk pipeline.generate.walked_maps
apis.generate.write pipeline.generate.write_outputs
apis.inference pipeline.inference
apis.pipeline.checks pipeline.stage_checks
apis.pipeline.hashes pipeline.stage_inputs
apis.pipeline.lock pipeline.lock
apis.pipeline.options pipeline.stage_options
apis.pipeline.place pipeline.stage_folder
apis.pipeline.plan pipeline.plan
apis.pipeline.process pipeline.stage_process
apis.pipeline.runner pipeline.runner
apis.pipeline.stage_types pipeline.stage_types
apis.pipeline.stages pipeline.stages
apis.pipeline.summary pipeline.summary
apis.refine pipeline.refine.refine_folder
apis.refine_maps pipeline.refine.refine_cfg
cam.box_refine methods.afa.box_refine
cam.class_attention methods.semformer.class_attention
cam.classes structures.image_labels
cam.complement methods.semformer.complement
cam.crops methods.toco.local_crops
cam.masking methods.fsr.block_masks
cam.pairs methods.irn.pairs
cam.propagation methods.afa.propagation
cam.reactivation methods.smaf.reactivation
cam.refine labelers.soft_maps
cam.seeds labelers.seeds
cam.semantics methods.semformer.semantics
cam.walk methods.irn.edge_walk
datasets.errors io.data_errors
datasets.files io.image_files
datasets.shapes datasets.shapes.shapes_dataset
datasets.shapes_generator datasets.shapes.scenes
datasets.shapes_patterns datasets.shapes.patterns
datasets.shapes_saliency datasets.shapes.drawn_saliency
datasets.utils.coco_masks datasets.coco_masks
datasets.utils.mask_io io.mask_files
datasets.utils.parallel pipeline.workers
datasets.utils.score_io io.score_files
engine.cli cli.arguments
engine.inference_options cli.inference_options
engine.launch cli.launch
engine.processes cli.processes
models.backbones.attentive_aggregation methods.fsr.attentive_aggregation
models.backbones.class_token_vit methods.semformer.class_token_vit
models.backbones.mask_token_vit methods.fsr.mask_token_vit
models.backbones.mit methods.afa.mit
models.cam_heads.activation_head methods.semformer.activation_head
models.cam_heads.cam_head models.heads.cam_head
models.cam_heads.projected_cam_head models.heads.projected_cam_head
models.decode_heads.deeplabv1_head models.heads.deeplabv1_head
models.decode_heads.deeplabv2_head models.heads.deeplabv2_head
models.decode_heads.edge_head methods.irn.edge_head
models.decode_heads.large_fov_head models.heads.large_fov_head
models.decode_heads.mlp_head methods.afa.mlp_head
models.decode_heads.reconstruction_decoder methods.semformer.reconstruction_decoder
models.losses.activation_complementation methods.semformer.activation_complementation
models.losses.activation_suppression methods.semformer.activation_suppression
models.losses.affinity_loss methods.afa.affinity_loss
models.losses.attention_consistency methods.smaf.attention_consistency
models.losses.class_contrast methods.semformer.class_contrast
models.losses.class_token_contrast methods.toco.class_token_contrast
models.losses.pair_affinity_loss methods.irn.pair_affinity_loss
models.losses.reconstruction methods.semformer.reconstruction
models.losses.saliency_loss methods.eps.saliency_loss
models.losses.self_distillation methods.fsr.self_distillation
models.losses.semantic_similarity methods.semformer.semantic_similarity
models.projectors.affinity_head methods.afa.affinity_head
models.projectors.class_semantics methods.semformer.class_semantics
models.projectors.class_token_head methods.semformer.class_token_head
models.projectors.projection_head models.heads.projection_head
models.refiners.dense_crf labelers.refiners.crf_refiner
models.refiners.random_walk labelers.refiners.walk_refiner
models.segmentors.afa methods.afa.afa
models.segmentors.caae methods.semformer.caae
models.segmentors.eps methods.eps.eps
models.segmentors.fsr methods.fsr.fsr
models.segmentors.irn methods.irn.affinity_network
models.segmentors.semformer methods.semformer.semformer
models.segmentors.smaf methods.smaf.smaf
models.segmentors.toco methods.toco.toco
models.utils.convert models.converters.vit_keys
models.utils.convert_fsr methods.fsr.fsr_keys
models.utils.convert_mit methods.afa.mit_keys
models.utils.convert_semformer methods.semformer.semformer_keys
models.utils.convert_smaf methods.smaf.smaf_keys
models.utils.convert_wide_resnet models.converters.wide_resnet_keys
models.utils.ema models.teachers.ema_copy
models.utils.features structures.features
models.utils.frozen models.teachers.frozen_network
models.utils.inference models.prediction.inference_cfg
models.utils.masking methods.fsr.uncertain_masking
models.utils.mode models.mode
models.utils.precision models.precision
models.utils.schedule models.loss_schedule
models.utils.self_training methods.smaf.self_training_cfg
models.utils.walk methods.irn.walk_cfg
utils.atomic_file io.atomic_file
utils.checkpoint io.checkpoint
utils.collect_env env.doctor
utils.convert_file io.convert_file
utils.cuda_archs env.cuda_archs
utils.env_facts env.env_facts
utils.env_problems env.env_problems
utils.errors io.errors
utils.label_png io.label_png
utils.manifest pipeline.manifest
utils.mxnet_params io.mxnet_params
utils.palette io.palette
utils.plain io.plain
utils.weights io.weights
"""
MOVED = dict(line.split() for line in TABLE.strip().splitlines())


class MovedModules(MetaPathFinder, Loader):
    """Finds the modules of :data:`MOVED`, and the packages that held them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The spec of a moved module; ``None`` for everything else."""
        old = fullname.removeprefix(PREFIX)
        if not fullname.startswith(PREFIX):
            return None
        if old in MOVED:
            return ModuleSpec(fullname, self)
        if any(name.startswith(f'{old}.') for name in MOVED):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module at its new place under the old name too."""
        new = MOVED.get(module.__name__.removeprefix(PREFIX))
        if new is None:  # an empty package that held moved modules
            return
        warnings.warn(
            f'{module.__name__} is {PREFIX}{new} now: import it from there',
            FutureWarning,
            stacklevel=2,
        )
        sys.modules[module.__name__] = importlib.import_module(PREFIX + new)


def install() -> None:
    """Look for moved modules after everything else has failed; once."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
