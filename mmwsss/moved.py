# Licensed under Apache-2.0.
"""Old module paths: an import of one gives the module at its new place, and says so.

Configs (``custom_imports``) and scripts that were written before the rooms were
opened go on working; each old path is named once, with the new one. A name that went
elsewhere than its module comes from there; what is gone says what to use instead.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

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
datasets.label_sources datasets.readers.reading
datasets.shapes_generator datasets.shapes.scenes
datasets.shapes_patterns datasets.shapes.patterns
datasets.shapes_saliency datasets.shapes.drawn_saliency
datasets.transforms.load_fused_maps datasets.transforms.load_side_inputs
datasets.transforms.load_rgb_image datasets.transforms.load_picture
datasets.transforms.load_saliency datasets.transforms.load_side_inputs
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
methods.afa.affinity_loss models.losses.affinity_loss
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


#: each line: a name of such a module that went elsewhere, and where it is now
NAME_TABLE = """
apis.generate.write.Workers pipeline.workers.Workers
apis.pipeline.plan.as_typed pipeline.stage_command.as_typed
apis.pipeline.plan.command pipeline.stage_command.command
apis.pipeline.plan.content_hash pipeline.stage_inputs.content_hash
apis.pipeline.plan.literal_paths pipeline.stage_inputs.literal_paths
cam.classes.ClassPairs structures.class_pairs.ClassPairs
cam.crops.cut_crops cam.crop_places.cut_crops
cam.crops.draw_corners cam.crop_places.draw_corners
cam.refine.denormalise cam.pixels.denormalise
cam.refine.label_shares cam.labels.label_shares
cam.refine.truncate_to_unit cam.pixels.truncate_to_unit
datasets.errors.SaliencyError io.data_errors.SideInputError
datasets.transforms.load_rgb_image.read_pixels io.pictures.reader.read_pixels
datasets.transforms.load_rgb_image.read_rgb io.pictures.reader.read_rgb
datasets.label_sources.read_voc_objects datasets.readers.voc_xml_reader.read_voc_objects
models.utils.convert.TOCO_HEADS methods.toco.toco_keys.TOCO_HEADS
models.utils.convert.convert_toco methods.toco.toco_keys.convert_toco
utils.manifest.differences pipeline.fingerprint.differences
utils.manifest.weights_hash pipeline.fingerprint.weights_hash
"""
MOVED_NAMES = dict(line.split() for line in NAME_TABLE.strip().splitlines())
_LABELER = 'a labeler makes labels now (mmwsss.labelers)'
_READER = 'mmwsss.datasets.readers.reading.read_labels(path, label_format)'
_KIND = 'mmwsss.datasets.side_inputs holds what is done with the files'
#: modules and names without a successor → what to use instead
GONE = {
    'apis.generate.cfg.REFINERS': 'mmwsss.labelers.refiners.refiner.refiner_names()',
    'apis.generate.data.TRAINING_FOLDERS': 'side_inputs of the data set',
    'apis.generate.walk.check_affinity': 'mmwsss.pipeline.generate.walked_maps',
    'apis.pipeline.lock.work_dir_lock': 'mmwsss.pipeline.lock.folder_lock',
    'apis.pipeline.place.Place': 'mmwsss.pipeline.stage_folder.StageFolder',
    'apis.pipeline.place.find_place': 'mmwsss.pipeline.stage_folder.StageFolder',
    'apis.pipeline.plan.keep': 'mmwsss.pipeline.plan',
    'apis.refine_maps.cam_stacks': _LABELER,
    'apis.refine_maps.slots_to_ids': _LABELER,
    'cam.classes.ClassMaps': 'of one image: mmwsss.structures.StoredMaps; '
    'mmwsss.structures.ClassMaps is what a method says of a view',
    'cam.refine.refine_soft_maps': f'{_LABELER}: Labeler.refine',
    'cam.refine.refined_label': f'{_LABELER}: TwoThresholdLabeler',
    'cam.score_maps': f'{_LABELER}: background_stacks, Labeler.refine',
    'datasets.fused_maps': f"{_KIND}: kind='maps'",
    'datasets.label_sources.READERS': _READER,
    'datasets.label_sources.read_coco': _READER,
    'datasets.label_sources.read_csv': _READER,
    'datasets.label_sources.read_folders': _READER,
    'datasets.label_sources.read_json': _READER,
    'datasets.label_sources.read_text': _READER,
    'datasets.label_sources.read_voc_xml': _READER,
    'datasets.saliency_maps': f"{_KIND}: kind='grey'",
    'datasets.transforms.load_fused_maps.check_classes': f"{_KIND}: kind='maps'",
    'datasets.transforms.load_saliency.check_size': f"{_KIND}: kind='grey'",
    'datasets.transforms.load_saliency.decode_saliency': f"{_KIND}: kind='grey'",
    'datasets.transforms.load_saliency.saliency_size': f"{_KIND}: kind='grey'",
    'datasets.utils.parallel.clean_processes': 'mmwsss.pipeline.workers.Workers',
    'datasets.utils.parallel.start_worker': 'mmwsss.pipeline.workers.Workers',
    'datasets.transforms.load_rgb_image.decode_rgb': 'mmwsss.io.pictures.reader',
    'engine.processes.tell': 'mmengine.logging.print_log',
    'models.segmentors.loss_terms_mixin': 'mmwsss.models.loss_terms.LossTerms',
    'models.segmentors.predict_mixin': 'mmwsss.models.prediction.predictor.Predictor',
    'models.segmentors.smaf.self_training': "type='MultiScaleSelfTraining'",
    'models.utils.inference.CAM_FUSE_AT': 'InferenceCfg says what is allowed',
    'models.utils.inference.FUSE_AT': 'InferenceCfg says what is allowed',
    'models.utils.inference.FUSIONS': 'InferenceCfg says what is allowed',
    'ops._fallback.par': 'mmwsss.ops._fallback.par_steps',
}
PAGE = 'docs/en/migration.md'


class MovedModules(MetaPathFinder, Loader):
    """Finds the modules of :data:`MOVED`, and the packages that held them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The spec of a moved module; ``None`` for everything else.

        Raises:
            ModuleNotFoundError: for a module that is gone, naming what to use.
        """
        old = fullname.removeprefix(PREFIX)
        if not fullname.startswith(PREFIX):
            return None
        if old in MOVED:
            return ModuleSpec(fullname, self)
        if old in GONE:
            raise ModuleNotFoundError(_gone(old))  # with a name python passes over it
        if any(name.startswith(f'{old}.') for name in MOVED):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module at its new place under the old name too."""
        old = module.__name__.removeprefix(PREFIX)
        if old not in MOVED:  # an empty package that held moved modules
            module.__dict__['__getattr__'] = _collected(old)
            return
        _warn(old)
        new = importlib.import_module(PREFIX + MOVED[old])
        if not any(name.startswith(f'{old}.') for name in MOVED_NAMES | GONE):
            sys.modules[module.__name__] = new
            return
        names = {k: v for k, v in vars(new).items() if not k.startswith('__')}
        module.__dict__.update(names, __doc__=new.__doc__)
        module.__dict__['__getattr__'] = _elsewhere(old)

    def get_code(self, fullname: str) -> CodeType:
        """What ``python -m`` runs: the module at its new place."""
        old = fullname.removeprefix(PREFIX)
        _warn(old)
        run = (
            f'import runpy\nrunpy.run_module({PREFIX + MOVED[old]!r}, None, "__main__")'
        )
        return compile(run, fullname, 'exec')


def _warn(old: str) -> None:
    warnings.warn(
        f'{PREFIX}{old} is {PREFIX}{MOVED[old]} now: import it from there',
        FutureWarning,
        stacklevel=3,
    )


def _gone(old: str) -> str:
    return f'{PREFIX}{old} is gone; instead: {GONE[old]} ({PAGE})'


def _elsewhere(old: str) -> Callable[[str], Any]:
    """``__getattr__`` of a moved module some names of which went elsewhere."""

    def look_up(name: str) -> Any:
        full = f'{old}.{name}'
        if full in GONE:
            raise ImportError(_gone(full))
        if full not in MOVED_NAMES:
            raise AttributeError(f'module {PREFIX}{old} has no attribute {name!r}')
        module, _, new = MOVED_NAMES[full].rpartition('.')
        warnings.warn(
            f'{PREFIX}{full} is {PREFIX}{MOVED_NAMES[full]} now: import it from there',
            FutureWarning,
            stacklevel=3,
        )
        return getattr(importlib.import_module(PREFIX + module), new)

    return look_up


def _collected(old: str) -> Callable[[str], Any]:
    """``__getattr__`` of a package that is gone, and collected names once."""

    def look_up(name: str) -> Any:
        message = (
            f'{PREFIX}{old} collects no names any more: import {name} from the module '
            f'that defines it ({PAGE})'
        )
        full = f'{old}.{name}'
        inside = any(f'{known}.'.startswith(f'{full}.') for known in [*MOVED, *GONE])
        # modules are looked for next, and python asks for names of its own
        if inside or name.startswith('__'):
            raise AttributeError(message)
        raise ImportError(message)

    return look_up


def install() -> None:
    """Look for moved modules after everything else has failed; once."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
