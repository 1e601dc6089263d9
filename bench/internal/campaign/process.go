package campaign

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a child in a process group of its own. It does not outlive us.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	out  io.ReadCloser // its standard output, if that was asked for
	done chan struct{}
	err  error // how it ended; read after done
}

// start runs a program with a bare environment. What it says goes to the file log, but for
// its standard output when that is piped.
func start(name, path string, args []string, log string, piped bool) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer f.Close()
	p := &process{name: name, log: log, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Stderr = f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	for _, v := range []string{"PATH", "HOME", "TMPDIR"} {
		p.cmd.Env = append(p.cmd.Env, v+"="+os.Getenv(v))
	}
	if !piped {
		p.cmd.Stdout = f
	} else if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	started := make(chan error, 1)
	go func() {
		// The kernel watches the thread that started a child: this one does nothing else
		// until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		state, err := p.cmd.Process.Wait() // leaves the pipe to its reader
		if err == nil && !state.Success() {
			err = errors.New(state.String())
		}
		p.err = err
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// announced reads the first line of its output into v.
func (p *process) announced(v any) error {
	line := make(chan error, 1)
	go func() {
		text, err := bufio.NewReader(p.out).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(text, v)
		}
		line <- err
	}()
	select {
	case err := <-line:
		if err != nil {
			return fmt.Errorf("read where %s listens: %w\n%s", p.name, err, p.tail())
		}
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%s has not said where it listens", p.name)
	}
}

// alive returns an error once the process has ended.
func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %v\n%s", p.name, p.err, p.tail())
	default:
		return nil
	}
}

// stop asks the process to end and kills it if it has not after grace. It says whether
// the process ended by itself.
func (p *process) stop(ctx context.Context, grace time.Duration) bool {
	if p.out != nil {
		defer p.out.Close()
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // gone already: just as good
	<-p.done
	return false
}

// tail is the end of the log, indented.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	lines = lines[max(len(lines)-8, 0):]
	return "    " + strings.Join(lines, "\n    ")
}
