package thumbnail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Limits of programs. Their memory is that of addresses, of which they reserve more
// than they use.
const (
	programTime   = 30 * time.Second
	programCPU    = 20 // seconds
	programMemory = 2 << 30
	programOutput = 64 << 20 // bytes of a file that one writes
	smallOutput   = 4 << 20  // bytes of a small picture
)

// ErrNotInstalled is wrapped, beside [extract.ErrNoPreview], where a program is missing
// that could be installed.
var ErrNotInstalled = errors.New("a program is not installed")

// output is the JPEG that a program has written, in memory.
type output interface {
	io.ReadCloser
	io.ReaderAt
	Size() int64
}

// heif makes a small picture of a HEIC.
func (m *Maker) heif(ctx context.Context, f *input, size int) ([]byte, error) {
	out, err := m.convert(ctx, f, smallQuality)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	return m.still(ctx, &input{ReaderAt: out, size: out.Size(), format: jpegFormat}, size)
}

// begin waits until a program may run, and finds it. end is to be called after it.
func (m *Maker) begin(ctx context.Context, name string) (at string, limited context.Context, end func(), err error) {
	at, err = exec.LookPath(name)
	if err != nil {
		return "", nil, nil, none("%w: %s", ErrNotInstalled, name)
	}
	if err := m.running.Acquire(ctx, 1); err != nil {
		return "", nil, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, programTime)
	return at, limited, func() { cancel(); m.running.Release(1) }, nil
}

// failed tells why a program gave nothing.
func failed(ctx context.Context, name string, err error, said []byte) error {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	if err == nil {
		err = errors.New("it gave no picture")
	}
	if len(said) > 200 {
		said = said[:200]
	}
	return none("%s: %w", name, fmt.Errorf("%w: %q", err, said))
}
