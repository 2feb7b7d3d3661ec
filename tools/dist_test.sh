#!/usr/bin/env bash
# Test on several GPUs of one or more machines (or, without a GPU, several CPU
# processes):
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
# One machine: torchrun finds a free port. Several machines: set NNODES, NODE_RANK,
# MASTER_ADDR and PORT on each.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,6p' "$0" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
HERE=$(cd "$(dirname "$0")" && pwd)

if [ "${NNODES:-1}" = 1 ]; then
    WHERE=(--standalone --local-addr=127.0.0.1)
else
    WHERE=(--nnodes="$NNODES" --node_rank="${NODE_RANK:-0}"
        --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}")
fi

PYTHONPATH="$HERE/..:${PYTHONPATH:-}" exec "${PYTHON:-python}" -m torch.distributed.run \
    "${WHERE[@]}" --nproc_per_node="$GPUS" \
    "$HERE/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
