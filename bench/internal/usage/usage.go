package usage

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the CPU time that a process has used, in user and in kernel mode, with all
// threads it ever had. The source is the process's CPU clock, which counts nanoseconds;
// /proc/PID/stat counts hundredths of a second and schedstat forgets threads that ended.
func CPU(pid int) (time.Duration, error) {
	// What clock_getcpuclockid(3) makes of a process ID: CPUCLOCK_SCHED of the whole group.
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Memory is what a process holds, in bytes.
type Memory struct {
	RSS  int64
	Anon int64 // the part of RSS that no file backs
}

// ReadMemory reads /proc/PID/status.
func ReadMemory(pid int) (Memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	m, err := parseStatus(b)
	if err != nil {
		return Memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return m, nil
}

// parseStatus reads the two lines that matter, such as "RssAnon:	    7360 kB".
func parseStatus(b []byte) (Memory, error) {
	var m Memory
	found := 0
	for line := range bytes.Lines(b) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		var to *int64
		switch string(name) {
		case "VmRSS":
			to = &m.RSS
		case "RssAnon":
			to = &m.Anon
		default:
			continue
		}
		number, ok := bytes.CutSuffix(bytes.TrimSpace(rest), []byte(" kB"))
		kb, err := strconv.ParseInt(string(number), 10, 64)
		if !ok || err != nil {
			return m, fmt.Errorf("parse %q: want a number of kB", bytes.TrimSpace(line))
		}
		*to = kb << 10
		found++
	}
	if found != 2 {
		return m, fmt.Errorf("parse status: want VmRSS and RssAnon, found %d of them", found)
	}
	return m, nil
}
