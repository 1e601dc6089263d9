package spool

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// child appends numbered records for as long as it lives, takes every other one from the
// front, and says what it has done: "+n" after an append, "-n" after an advance. It begins
// with the number that it reads.
func child(dir string) {
	l, err := Open(Options{Dir: dir, Limits: Limits{MaxBytes: 1 << 30}})
	if err != nil {
		fmt.Println("!", err)
		return
	}
	l.segment = 64 << 10
	in := bufio.NewReader(os.Stdin)
	line, _ := in.ReadString('\n')
	first, _ := strconv.Atoi(line[:len(line)-1])
	fmt.Println("= open")
	for n := first; ; n++ {
		if err := l.Append(byte(n), time.Now().UnixMilli(), uint32(n), payload(n, n*37%5000)); err != nil {
			fmt.Println("!", err)
			return
		}
		fmt.Println("+", n)
		if n%2 == 0 {
			continue
		}
		r, ok, err := l.TryPeek()
		if err != nil || !ok {
			fmt.Println("! peek", ok, err)
			return
		}
		got := int(binary.LittleEndian.Uint64(r.Payload))
		fmt.Println("<", got)
		l.Advance()
		fmt.Println("-", got)
	}
}

// Whatever the moment of a kill, every record whose append was acknowledged is there, none
// twice, and of those that were taken away at most the last comes back.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	appended, advanced, begun := -1, -1, -1 // highest numbers that were acknowledged, and that were looked at
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SPOOL_TEST_CHILD="+dir)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(in, "%d\n", appended+1)
		killed := time.AfterFunc(time.Duration(rand.IntN(60)+5)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				break
			}
			var what string
			var n int
			switch _, _ = fmt.Sscan(line, &what, &n); what {
			case "!":
				t.Fatal(line)
			case "+":
				appended = n
			case "<":
				begun = n
			case "-":
				advanced = n
			}
		}
		killed.Stop()
		_ = cmd.Wait()
		if alive := cmd.ProcessState.Success(); alive {
			t.Fatal("the child ended by itself")
		}

		r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 1 << 30, Sync: SyncNever}}, realDisk())
		want := r.look()
		// The record that was at the front when the kill came may be gone or not.
		if want != advanced+1 && want != begun+1 && !(want == -1 && appended == max(advanced, begun)) {
			t.Fatalf("round %d: the front is %d after %d was taken away", round, want, advanced)
		}
		var all []int
		if _, err := Walk(dir, func(e Entry) error {
			if e.Damage != "" {
				t.Errorf("round %d: %s:%d %s", round, e.File, e.Offset, e.Damage)
			} else if e.Waiting {
				all = append(all, int(binary.LittleEndian.Uint64(e.Payload)))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i, n := range all {
			if n != want+i {
				t.Fatalf("round %d: record %d where %d belongs", round, n, want+i)
			}
		}
		last := want + len(all) - 1
		// One more than was acknowledged: the kill came before the word got out.
		if len(all) > 0 && last != appended && last != appended+1 {
			t.Fatalf("round %d: the last record is %d, %d was acknowledged", round, last, appended)
		}
		appended = max(appended, last)
		r.close()
	}
	if appended < 50 {
		t.Fatalf("only %d records in all rounds", appended)
	}
	t.Logf("%d records, %d taken away", appended+1, advanced+1)
}
