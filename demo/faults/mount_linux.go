package faults

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mountSmall mounts a disk of so many bytes, in memory. That takes a privilege.
func mountSmall(dir string, bytes int) (unmount func(), err error) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	return func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }, nil
}
