# Licensed under Apache-2.0.
"""Dense side inputs: what a data set gives for each picture beside its labels.

One declaration of a data set, ``side_inputs=dict(saliency=dict(dir='Saliency',
kind='grey'))``, gives the finder, the checks before training, the loader
(``LoadSideInputs``), the geometry that follows the picture, and the packing. What is
done with the files is a :class:`.side_input_kind.SideInputKind`, one file each.
"""
