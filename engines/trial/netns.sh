#!/usr/bin/env bash
# One network on two machines: network namespaces with host names of their own, joined by a virtual cable.
# bash netns.sh HSIC HSIC_MPI FOLDER
#
# Compares the bits with one process, counts bytes of the training steps at the interface in both directions, kills a rank and
# goes on, and pulls the cable. Needs root, iproute2 and Open MPI.
set -euo pipefail
hsic=$(realpath "$1")
engine=$(realpath "$2")
mkdir -p "$3"
cd "$3"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
children() {
    for namespace in hsic1 hsic2; do
        ip netns pids $namespace 2> /dev/null || true
    done
}
end() {
    # shellcheck disable=SC2046 # process ids are words
    kill -9 $(children) 2> /dev/null || true
    ip netns del hsic1 2> /dev/null || true
    ip netns del hsic2 2> /dev/null || true
}
trap end EXIT
end
ip netns add hsic1
ip netns add hsic2
ip link add hsic-a netns hsic1 type veth peer name hsic-b netns hsic2
ip -n hsic1 addr add 10.99.0.1/24 dev hsic-a
ip -n hsic2 addr add 10.99.0.2/24 dev hsic-b
for namespace in hsic1 hsic2; do
    ip -n $namespace link set lo up
done
ip -n hsic1 link set hsic-a up
ip -n hsic2 link set hsic-b up
cat > agent.sh <<'END'
#!/bin/bash
# In the place of ssh: the host, then the words of a command.
case $1 in *10.99.0.1) namespace=hsic1 ;; *) namespace=hsic2 ;; esac
shift
exec ip netns exec $namespace unshare --uts bash -c "hostname $namespace; cd '$PWD'; $*"
END
chmod +x agent.sh
# Rank 0, the last stage, is on the first machine: outputs travel from the second to the first.
mpi() {
    ip netns exec hsic1 unshare --uts bash -c 'hostname hsic1; exec "$@"' mpi mpirun \
        --mca plm_rsh_agent "$PWD/agent.sh" --host 10.99.0.1:1,10.99.0.2:1 --mca btl tcp,self \
        --mca btl_tcp_if_include 10.99.0.0/24 --mca oob_tcp_if_include 10.99.0.0/24 --mca mpi_yield_when_idle 1 \
        -x OMPI_ALLOW_RUN_AS_ROOT -x OMPI_ALLOW_RUN_AS_ROOT_CONFIRM -n 2 "$engine" train "$@"
}
# Bytes that left the second machine, and those that came to it.
counted() {
    ip netns exec hsic2 bash -c 'cd /sys/class/net/hsic-b/statistics 2> /dev/null && cat tx_bytes rx_bytes' | tr '\n' ' '
}
step() {
    sed -nE 's/.*"step":([0-9]+).*/\1/p' "$1/checkpoint/stages.json" 2> /dev/null || true
}
reaches() {
    until [ "$(step "$1")" = "$2" ]; do sleep 0.002; done
}
options="--train-size 51200 --test-size 500 --widths 256x6 --batch-size 256 --epochs 1 --format-epochs 1 --threads 1 --quiet"
rm -rf one two cut pulled
echo "+ hsic-mpi train --stages 3,4 $options"
"$hsic" train $options --run one > one.txt
mpi $options --stages 3,4 --checkpoint-steps 20 --run two > two.txt &
training=$!
reaches two 20
before=$(counted)
reaches two 180
after=$(counted)
wait $training
echo "$before $after" | awk '{ n = 160 * 256; printf "bytes a sample of a training step: %.1f forward, %.1f back (payload 1024)\n", ($3 - $1) / n, ($4 - $2) / n }'
cmp one/weights.safetensors two/weights.safetensors
cmp one/format.safetensors two/format.safetensors
echo "two machines: the weights of one process, SHA-256 $(sha256sum < two/weights.safetensors | cut -c 1-16)"

mpi $options --stages 3,4 --checkpoint-steps 20 --run cut > cut.txt 2>&1 &
training=$!
reaches cut 60
rank=$(for pid in $(ip netns pids hsic2); do tr '\0' ' ' < "/proc/$pid/cmdline" | grep -q "^$engine train" && echo "$pid"; done | head -n 1)
kill -9 "$rank"
begin=$(date +%s.%N)
code=0
wait $training || code=$?
awk -v begin="$begin" -v end="$(date +%s.%N)" -v code=$code 'BEGIN { printf "a rank of the second machine killed: all ended after %.1f s, exit %d\n", end - begin, code }'
mpi --resume cut --quiet > cut.txt
cmp one/weights.safetensors cut/weights.safetensors
echo "gone on from step $(step cut): the weights of one process"

mpi $options --stages 3,4 --checkpoint-steps 20 --step-timeout 5 --run pulled > pulled.txt 2>&1 &
training=$!
reaches pulled 60
ip -n hsic2 link set hsic-b down
begin=$(date +%s.%N)
code=0
for _ in $(seq 600); do
    kill -0 $training 2> /dev/null || break
    sleep 0.1
done
if kill -0 $training 2> /dev/null; then
    left=$(for pid in $(children); do tr '\0' ' ' < "/proc/$pid/cmdline" | grep -c "^$engine train" || true; done | awk '{ n += $1 } END { print n + 0 }')
    echo "the cable pulled: after 60 s mpirun is still there, $left ranks are"
    # shellcheck disable=SC2046 # process ids are words
    kill -9 $(children) 2> /dev/null || true
    wait $training || true
else
    wait $training || code=$?
    awk -v begin="$begin" -v end="$(date +%s.%N)" -v code=$code 'BEGIN { printf "the cable pulled: all ended after %.1f s, exit %d\n", end - begin, code }'
fi
grep -h -o "stage . has waited [0-9]* s for stage ." pulled.txt | sort -u
ip -n hsic2 link set hsic-b up
mpi --resume pulled --quiet > pulled.txt
cmp one/weights.safetensors pulled/weights.safetensors
echo "the cable back in, gone on: the weights of one process"
