# AFA in runs of a few iterations (tests/tools/short_runs): its label is propagated
# from iteration 3 on, as in the published configs and unlike in that of Shapes.
model = dict(train_cfg=dict(seg_source=[(0, 'cam'), (3, 'propagated')]))
