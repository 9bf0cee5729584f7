#!/usr/bin/env bash
# One SLURM allocation: srun starts Ray's head on the first node and a worker on each other, then the study runs.
#
#   sbatch --nodes=2 --gpus-per-node=4 scripts/slurm.sh --preset paper --results /shared/disk/results
#
# Arguments go to `lottery run`. The results must lie on a disk that all nodes share. Submit the same line again after
# a time limit or a crash: finished cells are kept. GPUS_PER_CELL=0.5 puts two cells on a GPU; CORES_PER_NODE and PORT
# may be set too.
#SBATCH --job-name=lottery
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

[ -n "${SLURM_JOB_NODELIST:-}" ] || { echo "run this by sbatch, in an allocation of SLURM"; exit 2; }
command -v lottery >/dev/null || { echo "lottery is not installed here; activate its environment before sbatch"; exit 2; }
command -v ray >/dev/null || { echo "ray is not installed here; pip install 'lottery-utils[ray]'"; exit 2; }

nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
port=${PORT:-$((20000 + SLURM_JOB_ID % 20000))} # two jobs on one machine must not meet
cores=${CORES_PER_NODE:-${SLURM_CPUS_ON_NODE}}
gpus=${SLURM_GPUS_ON_NODE:-0}
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false RAY_ADDRESS="$address:$port"
export LOTTERY_GPUS_PER_CELL=${GPUS_PER_CELL:-1}

common=(--num-cpus "$cores" --num-gpus "$gpus" --disable-usage-stats --block)
srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$address" --port="$port" --include-dashboard=false "${common[@]}" &
pids=($!)
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --nodelist="$node" ray start --address="$RAY_ADDRESS" "${common[@]}" &
    pids+=($!)
done
trap 'kill "${pids[@]}" 2>/dev/null || true; wait || true' EXIT

for _ in $(seq 60); do
    if ray status --address="$RAY_ADDRESS" >/dev/null 2>&1; then break; fi
    sleep 2
done

lottery run --engine ray --quiet "$@" &
study=$!
trap 'kill -TERM "$study" 2>/dev/null || true' TERM # before the time limit: stop cleanly
code=0
wait "$study" || code=$?
wait "$study" 2>/dev/null || true # the first wait ends when the signal comes
exit "$code"
