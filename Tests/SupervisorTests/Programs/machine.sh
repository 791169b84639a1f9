#!/bin/sh
# A machine of a test's own: systemd as PID 1 in its own namespaces, on a root file system in memory. Nothing of the
# real machine can be written, and all of it ends when standard input does, whatever becomes of the test.
#
#     machine.sh FOLDER PROGRAMS [SYSTEMD]
#
# FOLDER is seen inside under its own path, writable; FOLDER/units as the only unit path, FOLDER/etc as /etc/reloaderd,
# FOLDER/srv as /srv; and PROGRAMS, the folder of those under test, as /programs, since it may lie under /tmp. SYSTEMD
# is where another version of systemd was unpacked, to be booted instead of the real machine's. Prints the PID whose
# namespaces nsenter(1) is to enter; systemd sends READY=1 to FOLDER/boot when up.
set -eu

outside() {
    hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [ -n "$hierarchy" ] || { echo "no cgroup2 is mounted" >&2; exit 1; }
    group=$hierarchy$(sed -n 's/^0:://p' /proc/self/cgroup)/reloaderd-test-$$
    mkdir "$group"
    trap : HUP INT QUIT TERM
    # Its cgroup namespace begins where it is when it is made: what lies above is out of reach.
    (
        echo 0 >"$group/cgroup.procs"
        exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child \
            /bin/sh "$0" --inside "$folder" "$programs" "$systemd" </dev/null
    ) &
    machine=$!
    echo "$machine"
    cat || true
    # Killing its PID 1 takes everything along, and unshare ends when the last of it is gone.
    kill -KILL $(cat "/proc/$machine/task/$machine/children") 2>/dev/null || kill -KILL "$machine" 2>/dev/null || true
    wait "$machine" || true
    find "$group" -depth -type d -exec rmdir {} +
}

inside() {
    root=$folder/root
    mkdir -p "$root" "$folder/etc" "$folder/srv"
    mount -t tmpfs machine "$root"
    cd "$root"
    for path in /*; do
        case $path in
        /dev | /etc | /proc | /run | /srv | /sys | /tmp | /var | /lost+found) ;;
        *)
            if [ -L "$path" ]; then
                cp -P "$path" ".$path"
            elif [ -d "$path" ]; then
                mkdir ".$path"
                mount --rbind "$path" ".$path"
                mount -o remount,bind,ro ".$path"
            fi
            ;;
        esac
    done
    mkdir -p dev etc/reloaderd proc run srv sys tmp var/log var/tmp ".$folder"
    mkdir programs
    mount --bind "$programs" programs
    mount -o remount,bind,ro programs
    for name in alternatives group ld.so.cache ld.so.conf ld.so.conf.d localtime nsswitch.conf passwd; do
        [ ! -e "/etc/$name" ] || cp -a "/etc/$name" etc/
    done
    if [ -n "$systemd" ]; then
        mount --bind "$systemd/lib/systemd" usr/lib/systemd
        for path in "$systemd"/usr/lib/*/systemd; do mount --bind "$path" "${path#"$systemd"/}"; done
        for name in systemctl journalctl; do mount --bind "$systemd/bin/$name" "usr/bin/$name"; done
    fi
    echo 0123456789abcdef0123456789abcdef >etc/machine-id
    # Without a mount here systemd would mount the real machine's.
    mount -t tmpfs dev dev
    # What PrivateDevices=yes takes over into the /dev of a unit.
    mkdir dev/pts dev/shm
    ln -s pts/ptmx dev/ptmx
    for name in null zero full random urandom tty; do
        : >"dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    ln -s /proc/self/fd dev/fd
    mount --bind "$folder" ".$folder"
    mount --bind "$folder/etc" etc/reloaderd
    mount --bind "$folder/srv" srv
    mount -t proc proc proc
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs run run
    ip link set lo up
    pivot_root . .
    umount -l .
    cd /
    exec env -i container=reloaderd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin NOTIFY_SOCKET="$folder/boot" \
        SYSTEMD_UNIT_PATH="$folder/units" SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_LOG_TARGET=journal-or-kmsg \
        setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-syslog,-sys_boot \
        /lib/systemd/systemd --system --unit=default.target --show-status=no
}

if [ "$1" = --inside ]; then
    folder=$2
    programs=$3
    systemd=$4
    inside
else
    folder=$1
    programs=$2
    systemd=${3:-}
    outside
fi
