#!/bin/bash
# Run a command of the zoo on all nodes of a Slurm allocation: one Ray cluster for the job.
#
#     sbatch --nodes 4 --cpus-per-task 16 examples/cluster/slurm.sh compare --models mlp,gru,transformer --seeds 5
#
# The words after the script are a command of the zoo; `--engine ray --address ...` is added. The cluster belongs to the
# job alone: it demands a token that only this user can read, and ends with the job.
#
#SBATCH --job-name=zoo
#SBATCH --ntasks-per-node=1
#SBATCH --signal=B:TERM@60
set -euo pipefail

zoo=${ZOO:-zoo}                          # the command, such as "python cli.py" of a checkout
port=${RAY_PORT:-$((20000 + ${SLURM_JOB_ID:-0} % 10000))}
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes 1 --ntasks 1 --nodelist "$head" hostname --ip-address)
address=${address%% *}:$port             # a host may have several addresses

umask 077
folder=/tmp/zoo-ray-${SLURM_JOB_ID:-$$}    # on every node; TMPDIR may be too long for the names of Ray's sockets
mkdir "$folder"
RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

workers=()
# shellcheck disable=SC2329  # the trap calls it
leave() {
    kill -TERM "${workers[@]}" 2>/dev/null || true
    for _ in $(seq 20); do kill -0 "${workers[@]}" 2>/dev/null || break; sleep 0.5; done
    kill -KILL "${workers[@]}" 2>/dev/null || true
    srun --overlap rm -rf "$folder" || true
}
trap leave EXIT

start() {                                # start NODE WORDS...: a node of the cluster that lasts as long as its srun
    srun --nodes 1 --ntasks 1 --nodelist "$1" --overlap \
        ray start --block --temp-dir "$folder" --num-cpus "$cpus" --num-gpus "$gpus" --disable-usage-stats "${@:2}" \
        > "$folder/$1.log" 2>&1 &
    workers+=($!)
}

start "$head" --head --node-ip-address "${address%:*}" --port "$port" --include-dashboard=false
for node in "${nodes[@]:1}"; do start "$node" --address "$address"; done

ready=false alive=0
for _ in $(seq 120); do                  # a node of the cluster is up within seconds
    for worker in "${workers[@]}"; do kill -0 "$worker" 2>/dev/null || break 2; done
    alive=$(timeout 20 python -c '
import sys, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level="CRITICAL")
print(sum(node["Alive"] for node in ray.nodes()))
' "$address" 2>/dev/null) || alive=0
    if [ "$alive" -ge "${#nodes[@]}" ]; then ready=true; break; fi
    sleep 1
done
if [ "$ready" != true ]; then
    echo "The Ray cluster has $alive of ${#nodes[@]} nodes; the last lines of each:" >&2
    tail -n 5 "$folder"/*.log >&2
    exit 1
fi

# In the background, so that Slurm's SIGTERM reaches the command, which stores its state and exits with 75.
$zoo "$@" --engine ray --address "$address" &
command=$!
trap 'kill -TERM "$command"' TERM
status=0
wait "$command" || status=$?
if kill -0 "$command" 2>/dev/null; then status=0; wait "$command" || status=$?; fi
exit "$status"
