# Class maps walk over the tokens of ToCo's network. Nothing is trained, the checkpoint
# is that of toco_deit-t_animals.py; toco_animals_pipeline.py shows its use.
_base_ = ['./toco_deit-t_animals.py']

model = dict(
    _delete_=True,
    type='TokenWalk',
    segmentor={{_base_.model}},
    in_index=0,  # after block 10
    power=3.0,
    steps=8,
)
