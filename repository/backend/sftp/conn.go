package sftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
)

// conn is one process and the SFTP session with it.
type conn struct {
	client *sftp.Client
	limits limits
	cmd    *exec.Cmd
	in     *os.File // to the process
	out    *os.File // from it
	stderr tail

	moved   atomic.Int64 // when a byte last went either way, Unix nanoseconds
	owed    atomic.Int64 // answers that the server owes
	listing atomic.Int64 // bytes of SSH_FXP_NAME since a listing began

	killed sync.Once
	reason error         // what ended it, or who
	dying  atomic.Bool   // no use in asking any more
	done   chan struct{} // closed when the process is gone
	err    error         // about the end; set before done
}

// dial starts a process and waits until it has said its version.
func dial(ctx context.Context, command []string, l limits) (*conn, error) {
	c := &conn{limits: l, done: make(chan struct{})}
	if err := c.start(command); err != nil {
		return nil, cannotStart(command[0], err)
	}
	late := time.AfterFunc(l.connect, func() { c.kill(fmt.Errorf("no answer within %v", l.connect)) })
	given := context.AfterFunc(ctx, func() { c.kill(context.Cause(ctx)) })
	client, err := sftp.NewClientPipe(inbound{c, &frames{}}, outbound{c})
	late.Stop()
	given()
	if err != nil {
		c.reap(err)
		return nil, cannotConnect(c.err)
	}
	c.client = client
	go func() { c.reap(client.Wait()) }()
	go c.watch()
	return c, nil
}

func (c *conn) start(command []string) error {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return err
	}
	defer theirOut.Close()
	c.cmd = exec.Command(command[0], command[1:]...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, &c.stderr
	c.cmd.WaitDelay = c.limits.exit // somebody else may hold stderr open
	ownGroup(c.cmd)
	if err := c.cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return err
	}
	c.in, c.out = in, out
	c.touch()
	return nil
}

// reap waits for the end of the process, which has lost its standard input, and
// keeps what it said.
func (c *conn) reap(cause error) {
	c.dying.Store(true)
	c.in.Close()
	t := time.AfterFunc(c.limits.exit, func() { endGroup(c.cmd) })
	exit := c.cmd.Wait()
	t.Stop()
	endGroup(c.cmd) // whatever it left behind, such as a ProxyCommand
	c.out.Close()
	c.killed.Do(func() { c.reason = cause })
	c.err = &lostError{cause: c.reason, exit: exit, said: c.stderr.String()}
	close(c.done)
}

// kill ends the process at once. Whoever waits for an answer gets an error.
func (c *conn) kill(reason error) {
	c.killed.Do(func() {
		c.reason = reason
		c.dying.Store(true)
		endGroup(c.cmd)
		c.in.Close()
		c.out.Close()
	})
}

// close ends the process politely: its input ends.
func (c *conn) close() {
	c.in.Close()
	_ = c.ended()
}

// ended waits for the end of the process that was told, or seen, to end.
func (c *conn) ended() error {
	t := time.AfterFunc(c.limits.exit, func() { c.kill(errors.New("it would not end")) })
	defer t.Stop()
	<-c.done
	return c.err
}

// watch kills a process that stands still while it owes answers.
func (c *conn) watch() {
	tick := time.NewTicker(c.limits.stall / 4)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case now := <-tick.C:
			if c.owed.Load() > 0 && now.Sub(time.Unix(0, c.moved.Load())) > c.limits.stall {
				c.kill(fmt.Errorf("nothing moved for %v", c.limits.stall))
				return
			}
		}
	}
}

// giveUpWith kills the process if an operation is still waiting for an answer
// some time after the end of ctx. The operation calls what it returns at its end.
func (c *conn) giveUpWith(ctx context.Context) func() {
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(c.limits.cancel)
		defer t.Stop()
		select {
		case <-finished:
		case <-c.done:
		case <-t.C:
			c.kill(errors.New("no answer to a request that was given up"))
		}
	})
	return func() {
		stop()
		close(finished)
	}
}

// ask marks that the server owes an answer, until what it returns is called.
func (c *conn) ask() func() {
	if c.owed.Add(1) == 1 {
		c.touch()
	}
	return func() { c.owed.Add(-1) }
}

func (c *conn) touch() { c.moved.Store(time.Now().UnixNano()) }

func (c *conn) offers(extension, version string) bool {
	v, ok := c.client.HasExtension(extension)
	return ok && v == version
}

// outbound is the way to the process.
type outbound struct{ c *conn }

func (o outbound) Write(p []byte) (int, error) {
	n, err := o.c.in.Write(p)
	o.c.touch()
	return n, err
}

func (o outbound) Close() error { return o.c.in.Close() }

// inbound is the way from the process.
type inbound struct {
	c *conn
	f *frames
}

func (i inbound) Read(p []byte) (int, error) {
	n, err := i.c.out.Read(p)
	i.c.touch()
	if names := i.f.names(p[:n]); names > 0 && i.c.listing.Add(names) > i.c.limits.listing {
		return n, errors.New("the server lists more than a folder can hold")
	}
	return n, err
}

// frames follows the packets in a stream of bytes, each
//
//	length uint32 (of what follows) | type byte | …
//
// to weigh the answers to a listing: the library collects a whole folder before
// we see any of it.
type frames struct {
	head [5]byte
	have int
	left uint32 // bytes of the packet after its head
}

const packetName = 104 // SSH_FXP_NAME

// names is how many bytes of name packets begin in p.
func (f *frames) names(p []byte) (total int64) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(uint64(f.left), uint64(len(p)))
			f.left -= uint32(n)
			p = p[n:]
			continue
		}
		n := copy(f.head[f.have:], p)
		f.have += n
		p = p[n:]
		if f.have < len(f.head) {
			break
		}
		f.have = 0
		if size := binary.BigEndian.Uint32(f.head[:4]); size > 0 {
			f.left = size - 1
			if f.head[4] == packetName {
				total += int64(size)
			}
		}
	}
	return total
}
