package usage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of /proc/stat, USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// Busy returns the CPU time that all cores together have spent on anything, as well as
// what the hypervisor gave to others in the meantime.
func Busy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read use of the machine: %w", err)
	}
	return parseStat(b)
}

// parseStat reads "cpu user nice system idle iowait irq softirq steal guest guest_nice". The
// guests are in user and nice already.
func parseStat(b []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return 0, errors.New("parse /proc/stat: no line of all cores")
	}
	var busy time.Duration
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc/stat: %w", err)
		}
		if i != 3 && i != 4 { // idle, iowait
			busy += time.Duration(n) * tick
		}
	}
	return busy, nil
}
