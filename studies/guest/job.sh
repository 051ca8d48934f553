# What runs inside the guest, in a copy of the checkout; everything it leaves in /out comes back.
export PYTHONPATH=/opt/site-packages PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/tmp/cache PATH=/opt/site-packages/bin:$PATH
mkdir -p /tmp/cache && cp -r /job/cache/. /tmp/cache/
cd /job/checkout || exit 1
status=0

step() {
    name=$1
    shift
    echo "== $name: $*"
    "$@" > "/out/$name.txt" 2>&1
    code=$?
    tail -n "${TAIL:-12}" "/out/$name.txt"
    echo "== $name: exit code $code, $(cut -d ' ' -f 1 /proc/uptime) s after the start"
    echo "$code" > "/out/$name.code"
}

uname -srm
lscpu | grep -E 'Thread|Core|Socket|NUMA'
numactl --hardware

python3 -m fixtures.machine > /out/machine.json 2> /out/machine.err || status=1

measure="python3 -m pytest -p no:cacheprovider --benchmark-only --no-speed-guards --preset quick --model bert-tiny"
measure="$measure --benchmark-max-time 0.05 --benchmark-min-rounds 3 --benchmark-columns min,median,rounds"

step questions $measure --backends "${BACKENDS:-onnxruntime}" --instances 1,2,4 --runs /out/runs/questions \
    benchmarks/test_core_count_scaling.py benchmarks/test_simultaneous_multithreading.py \
    benchmarks/test_memory_binding.py benchmarks/test_instance_scaling.py

# Groups below the first have these controllers where systemd is the first process; here nobody turned them on.
echo "+cpu +cpuset" > /sys/fs/cgroup/cgroup.subtree_control
step limits $measure --preset default --budget none --benchmark-max-time 2 --backends "${BACKENDS:-onnxruntime}" \
    --runs /out/runs/limits benchmarks/test_cpu_limits.py

# The memory of a worker that was bound to node 0 is taken elsewhere behind its back: that has to be found out.
mkdir -p /tmp/bin
printf '#!/bin/sh\n[ "$1" = "--membind=0" ] && shift && set -- --membind=1 "$@"\nexec /usr/bin/numactl "$@"\n' > /tmp/bin/numactl
chmod +x /tmp/bin/numactl
step wrong_node env PATH="/tmp/bin:$PATH" $measure --backends onnxruntime --runs /out/runs/wrong_node \
    benchmarks/test_memory_binding.py -k "local or remote"

exit $status
