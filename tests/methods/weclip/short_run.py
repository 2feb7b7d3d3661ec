# six iterations in the command-line tests: RFM from the fourth on
model = dict(train_cfg=dict(rfm_begin=3))
