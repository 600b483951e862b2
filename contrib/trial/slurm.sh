#!/usr/bin/env bash
# Twenty trainings as a Slurm job array on two nodes of one machine: bash slurm.sh HSIC FOLDER
#
# While they run, four of the binaries are killed and one node is taken away. Every file of weights must have the SHA-256
# of the same training that was never stopped. Needs root, and Debian's slurmctld, slurmd, slurm-client and munge; it writes
# /etc/slurm/slurm.conf where there is none, and ends every daemon that it starts.
set -euo pipefail
hsic=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
here=$(cd "$(dirname "$0")/.." && pwd)
conf=/etc/slurm/slurm.conf
if [ -e $conf ] && ! grep -q '^ClusterName=hsic-trial$' $conf; then
    echo "slurm.sh: $conf is there: expected a machine without Slurm of its own" >&2
    exit 2
fi
mkdir -p "$work/bin" "$work/state" "$work/spool-n1" "$work/spool-n2" /etc/slurm
ln -sf "$hsic" "$work/bin/hsic"
export PATH="$work/bin:$PATH"
cat > $conf <<END
ClusterName=hsic-trial
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=0
JobRequeue=1
KillWait=5
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd-%n.log
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool-%n
NodeName=n1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=17001 CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=17002 CPUs=1 RealMemory=4000
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
started=()
end() {
    for pid in "${started[@]}"; do
        kill "$pid" 2> /dev/null || true
    done
    rm -f $conf
}
trap end EXIT
mkdir -p /run/munge
chown munge: /run/munge
[ -e /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1 count=1024 2> /dev/null; chown munge: /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }
if ! munge -n > /dev/null 2>&1; then
    runuser -u munge -- munged --foreground > "$work/munged.log" 2>&1 &
    started+=($!)
    sleep 1
fi
slurmctld -D -c > "$work/slurmctld.out" 2>&1 &
started+=($!)
for node in n1 n2; do
    slurmd -D -N $node > "$work/slurmd-$node.out" 2>&1 &
    started+=($!)
    second=$!
done
for _ in $(seq 30); do
    [ "$(sinfo -h -t idle -o %D 2> /dev/null)" = 2 ] && break
    sleep 1
done
sinfo
cd "$work"
compare="hsic compare --methods hsic:learning-rate=1e-3,mono-forward:learning-rate=1e-3 --seeds 10 --budget 40epochs --train-size 3000
    --test-size 300 --widths 128x3 --batch-size 100 --threads 1"
echo "+ $compare" | tr -s ' \n' ' '
echo
$compare --output whole --quiet > whole.txt

# Whoever kills: four trainings that have a checkpoint, then a node.
sabotage() {
    local killed=0 pid seen=" "
    while [ $killed -lt 4 ]; do
        sleep 2
        for pid in $(pgrep -f "^hsic compare .*--output parts --only "); do
            case $seen in *" $pid "*) continue ;; esac
            seen+="$pid "
            [ $killed -lt 4 ] && kill -9 "$pid" && killed=$((killed + 1)) && echo "trial: killed $pid"
        done
    done
    sleep 3
    echo "trial: node n2 goes away"
    scontrol update nodename=n2 state=down reason=trial
    sleep 2
    kill "$second"
}
sabotage &
started+=($!)
SECONDS=0
sh "$here/waves.sh" "sh $here/slurm/submit.sh" $compare --output parts > parts.txt
echo "trial: all done after $SECONDS s"
sinfo
bash "$here/trial/same.sh" whole/runs parts/runs 20
