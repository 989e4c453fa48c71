#!/bin/sh
# Boots systemd as the init of namespaces of its own: `boot.sh CGROUP [PARTS]`, CGROUP being a new folder in the machine's
# cgroup2 tree, PARTS a folder with unpacked packages where systemd is not installed. Ends when it is killed.
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

parts=$1
mount --make-rprivate /
if [ -n "$parts" ]; then
  for dir in usr etc; do mount -t overlay overlay -o "lowerdir=$parts/$dir:/$dir" "/$dir"; done
fi
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for dir in /tmp /var/tmp /run /var/log /var/lib; do mount -t tmpfs -o mode=755 tmpfs "$dir"; done
chmod 1777 /tmp /var/tmp
mkdir -p /etc/polkit-1/rules.d 2>/dev/null || true
[ ! -d /etc/polkit-1/rules.d ] || mount -t tmpfs -o mode=755 tmpfs /etc/polkit-1/rules.d

# Two users: the one that the warden runs as, and one without any rights.
for file in passwd group; do cp "/etc/$file" "/run/$file"; done
echo 'heapwarden:x:7310:7310::/nonexistent:/usr/sbin/nologin
stranger:x:7311:7311::/nonexistent:/usr/sbin/nologin' >> /run/passwd
echo 'heapwarden:x:7310:
stranger:x:7311:' >> /run/group
for file in passwd group; do mount --bind "/run/$file" "/etc/$file"; done

for dev in /dev/kmsg /dev/console; do [ ! -e "$dev" ] || mount --bind /dev/null "$dev"; done
mount --bind /proc/sys /proc/sys
for dir in /proc/sys /sys /; do mount -o remount,bind,ro "$dir"; done

# Not the machine's: nothing else stands between this and its files.
for dir in / /proc/sys /sys /tmp /var/tmp /run; do
  options=$(awk -v dir="$dir" '$5 == dir { found = $6 " " $0 } END { print found }' /proc/self/mountinfo)
  case "$dir $options" in
    /tmp*' - tmpfs '* | /var/tmp*' - tmpfs '* | /run*' - tmpfs '*) ;;
    */*' ro'*) ;;
    *) echo "boot.sh: $dir is still the machine's: $options" >&2; exit 1 ;;
  esac
done

units=/run/units
mkdir -p "$units" /run/none
from=/usr/lib/systemd/system
for unit in sysinit.target basic.target shutdown.target sockets.target \
  dbus.service dbus.socket polkit.service systemd-journald.service systemd-journald.socket; do
  [ ! -e "$from/$unit" ] || cp "$from/$unit" "$units/"
done
mkdir "$units/polkit.service.d"
printf '[Unit]\nDefaultDependencies=no\n' > "$units/none.target"
printf '[Unit]\nRequires=basic.target systemd-journald.service dbus.socket\nAfter=basic.target dbus.socket\n' \
  > "$units/test.target"

exec env -i container=heapwarden-test PATH="$PATH" LANG=C SYSTEMD_UNIT_PATH="$units" \
  SYSTEMD_GENERATOR_PATH=/run/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/none \
  /usr/lib/systemd/systemd --system --unit=test.target --show-status=no --log-target="${HW_LOG_TARGET-journal}" \
  --default-standard-output=journal
