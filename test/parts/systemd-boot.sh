#!/bin/sh
# Boots systemd as the init of namespaces of its own: `systemd-boot.sh CGROUP [PARTS]`, CGROUP being a new folder in the
# machine's cgroup2 tree, PARTS a folder with unpacked packages where systemd is not installed. Ends when it is killed.
#
# systemd-tmpfiles wipes /tmp, a target may start whatever the machine has enabled, and PID 1 sets sysctls. So before
# it runs: no mount of ours reaches the machine (rprivate); /tmp, /var/tmp, /run and the rest that is written are file
# systems in memory; the machine's own files, /sys and /proc/sys are read-only; the units are those named here alone.
set -eu

if [ "${2-}" != --inside ]; then
  mkdir "$1"
  echo $$ > "$1/cgroup.procs"
  exec unshare --pid --mount --net --ipc --uts --cgroup --fork --kill-child --mount-proc sh "$0" "${2-}" --inside
fi

if [ $$ != 1 ]; then
  echo 'systemd-boot.sh: not the first process of a namespace, so nothing is touched' >&2
  exit 1
fi
parts=$1
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for dir in /tmp /var/tmp /run /var/log /var/lib /dev/shm; do mount -t tmpfs -o mode=755 tmpfs "$dir"; done
chmod 1777 /tmp /var/tmp /dev/shm
[ -z "$parts" ] || mount -t overlay overlay -o "lowerdir=$parts/usr:/usr" /usr
# What is written there is gone with the namespace.
for dir in etc usr/local; do
  mkdir -p "/run/over/$dir/upper" "/run/over/$dir/work"
  lower=/$dir
  [ -z "$parts" ] || [ ! -d "$parts/$dir" ] || lower=$parts/$dir:$lower
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=/run/over/$dir/upper,workdir=/run/over/$dir/work" "/$dir"
done

# Three users: those of the warden and of an app, and one without any rights.
id=7310
for name in heapwarden shop stranger; do
  echo "$name:x:$id:$id::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
  echo "$name:x:$id:" >> /etc/group
  id=$((id + 1))
done

for dev in /dev/kmsg /dev/console; do [ ! -e "$dev" ] || mount --bind /dev/null "$dev"; done
mount --bind /proc/sys /proc/sys
disks=$(awk '$3 !~ /^(tmpfs|proc|sysfs|cgroup2|overlay|devtmpfs|devpts|mqueue|nsfs)$/ { print $2 }' /proc/mounts)
for dir in $disks; do mount -o remount,bind,ro "$dir" 2>/dev/null || true; done # some are hidden below others
for dir in /proc/sys /sys /; do mount -o remount,bind,ro "$dir"; done

# The last look before PID 1 runs: the topmost mount of each place.
look() { awk -v dir="$1" '$5 == dir { found = $6 " " $(NF - 2) } END { print found }' /proc/self/mountinfo; }
for dir in / /sys /proc/sys; do
  case "$(look "$dir")" in ro,*) ;; *) echo "systemd-boot.sh: $dir could be written" >&2; exit 1 ;; esac
done
for dir in /tmp /var/tmp /run /var/lib /var/log /etc /usr/local; do
  case "$(look "$dir")" in *' tmpfs' | *' overlay') ;; *) echo "systemd-boot.sh: $dir is the machine's" >&2; exit 1 ;; esac
done

units=/run/units
mkdir -p "$units" /run/none
from=/usr/lib/systemd/system
for unit in sysinit.target basic.target shutdown.target sockets.target \
  dbus.service dbus.socket polkit.service systemd-journald.service systemd-journald.socket; do
  [ ! -e "$from/$unit" ] || cp "$from/$unit" "$units/"
done
printf '[Unit]\nRequires=basic.target systemd-journald.service dbus.socket\nAfter=basic.target dbus.socket\n' \
  > "$units/test.target"

exec env -i container=heapwarden-test PATH="$PATH" LANG=C SYSTEMD_UNIT_PATH="$units" \
  SYSTEMD_GENERATOR_PATH=/run/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/none \
  /usr/lib/systemd/systemd --system --unit=test.target --show-status=no --log-target=journal \
  --default-standard-output=journal
