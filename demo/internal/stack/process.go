package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	// Name is that of the process in messages, and of its log file.
	Name string
	Path string
	Args []string
	// Env is added to a bare environment: nothing of the caller's settings leaks in.
	Env []string
	// LogDir is where NAME.log is appended to.
	LogDir string
	// Netns is the network namespace to start in; nil means ours. Linux only.
	Netns *Netns
}

// Process is one running child in a process group of its own, so that a Ctrl-C in the
// terminal reaches only us. On Linux it does not outlive us, whatever ends us.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; read after done
}

// Start starts a process. Its owner ends it with Stop or Kill.
func Start(spec Spec) (*Process, error) {
	path, err := filepath.Abs(spec.Path) // it runs in another folder
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	log := filepath.Join(spec.LogDir, spec.Name+".log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	defer out.Close()
	cmd := exec.Command(path, spec.Args...)
	cmd.Env = append(bareEnv(), spec.Env...)
	cmd.Dir = spec.LogDir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = sysProcAttr()

	p := &Process{name: spec.Name, log: log, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel watches the thread that started a child, and a namespace belongs to a
		// thread: this one does nothing else until the child has ended.
		runtime.LockOSThread()
		if spec.Netns == nil {
			defer runtime.UnlockOSThread()
		} else if err := spec.Netns.enter(); err != nil {
			started <- err
			return
		}
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// bareEnv is what programs need of the environment to run at all.
func bareEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Name returns the name of the process in messages.
func (p *Process) Name() string { return p.name }

// Pid returns the process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log returns the path of the log file.
func (p *Process) Log() string { return p.log }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to a process that may have ended already.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// Stop asks the process to end and waits for that. One that has not ended after grace, or
// when ctx is done, is killed, which is an error, as is any exit code but 0.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx, grace)
}

// Wait is Stop without asking.
func (p *Process) Wait(ctx context.Context, grace time.Duration) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("wait for the end of %s: %w", p.name, context.Cause(ctx))
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("%s did not end within %s and was killed\n%s", p.name, grace, p.Tail())
	}
	return p.Err()
}

// Kill ends the process and its group at once and waits for the process.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL) // gone already: just as good
	<-p.done
}

// Err says how the process ended, with the end of its log: nil while it runs and when it
// ended with 0 or of the SIGTERM that it was sent.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, p.err, p.Tail())
	}
	return nil
}

// Await calls probe until it returns nil. It gives up when the process has ended or ctx is
// done, with the last error of probe and the end of the log.
func (p *Process) Await(ctx context.Context, what string, probe func(context.Context) error) error {
	err := poll(ctx, p.done, 50*time.Millisecond, probe)
	if errors.Is(err, errEnded) {
		if ended := p.Err(); ended != nil {
			return fmt.Errorf("wait for %s: %w", what, ended)
		}
		return fmt.Errorf("wait for %s: %s has ended\n%s", what, p.name, p.Tail())
	}
	if err != nil {
		return fmt.Errorf("wait for %s: %w\n%s", what, err, p.Tail())
	}
	return nil
}

// Tail returns the last lines of the log, indented.
func (p *Process) Tail() string {
	const most = 2 << 10
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(size-most, 0), io.SeekStart)
	}
	b, _ := io.ReadAll(f)
	if len(b) >= most { // the first line is cut
		if _, rest, ok := bytes.Cut(b, []byte("\n")); ok {
			b = rest
		}
	}
	return "  " + strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n  ")
}
