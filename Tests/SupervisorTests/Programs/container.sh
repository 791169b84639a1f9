#!/bin/sh
# A container of a test's own, like one from an image built FROM scratch: the command is PID 1 in namespaces of its own,
# its root directory has nothing but what is there already and what container runtimes add (/proc, /sys/fs/cgroup, a
# few devices), and it has the capabilities that they leave. The network is the machine's, so that tests can reach it.
# Killing unshare(1), which this becomes, ends it all.
#
#     container.sh [--read-only] [--user UID] ROOT COMMAND [ARG...]
set -eu

outside() {
    exec unshare --pid --mount --uts --ipc --cgroup --fork --kill-child /bin/sh "$0" --inside "$@"
}

inside() {
    access=rw
    if [ "$1" = --read-only ]; then access=ro && shift; fi
    user=0
    if [ "$1" = --user ]; then user=$2 && shift 2; fi
    cd "$1"
    shift
    mkdir -p dev proc sys/fs/cgroup
    mount --bind . .
    cd "$PWD"
    mount -t proc proc proc
    mount -t cgroup2 -o ro cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 dev dev
    mkdir -m 1777 dev/shm
    ln -s /proc/self/fd dev/fd
    for name in null zero full random urandom tty; do
        : >"dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    if [ "$access" = ro ]; then
        mount -t tmpfs -o mode=777 tmp tmp  # as an emptyDir of Kubernetes
        mount -o remount,bind,ro .
    fi
    chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)
    all=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw
    exec env -i PATH=/usr/local/bin:/usr/bin:/bin \
        setpriv --bounding-set "$all,+sys_chroot,+mknod,+audit_write,+setfcap" --inh-caps=-all \
        "$chroot" --userspec="$user:$user" . "$@"
}

if [ "$1" = --inside ]; then
    shift
    inside "$@"
else
    outside "$@"
fi
