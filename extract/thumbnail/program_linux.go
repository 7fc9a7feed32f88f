package thumbnail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Names of the files that a program gets.
const (
	inName  = "/proc/self/fd/3"
	outName = "/proc/self/fd/4"
	// memoryFolder is where Linux has a folder in memory (shm_overview(7)).
	memoryFolder = "/dev/shm"
)

// inMemory makes a file that no disk backs.
func inMemory() (*os.File, error) {
	fd, err := unix.MemfdCreate("picture", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, none("no file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "picture"), nil
}

// run starts a program and waits for it. Its standard output goes to w.
func run(ctx context.Context, at string, args []string, files []*os.File, dir string, w io.Writer) (said []byte, err error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, at, args...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = []string{"LC_ALL=C"}, dir, files
	cmd.Stdout, cmd.Stderr = w, &bounded{w: &stderr, left: 4 << 10, drop: true}
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for resource, most := range map[int]uint64{unix.RLIMIT_AS: programMemory, unix.RLIMIT_CPU: programCPU, unix.RLIMIT_FSIZE: programOutput, unix.RLIMIT_CORE: 0} {
		// A program that has ended already needs no limit.
		if err := unix.Prlimit(cmd.Process.Pid, resource, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return nil, errors.Join(fmt.Errorf("limit %s: %w", filepath.Base(at), err), cmd.Process.Kill(), cmd.Wait())
		}
	}
	err = cmd.Wait()
	return stderr.Bytes(), err
}

// bounded takes so many bytes; what comes after is dropped, or an error.
type bounded struct {
	w    io.Writer
	left int
	drop bool
}

var errLong = errors.New("it is too large")

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	if _, err := b.w.Write(p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) && !b.drop {
		return n, errLong
	}
	return len(p), nil
}

// memoryFile is an output.
type memoryFile struct {
	*os.File
	size int64
}

func (f memoryFile) Size() int64 { return f.size }

// convert turns a HEIC into a JPEG.
func (m *Maker) convert(ctx context.Context, f *input, quality int) (output, error) {
	const name = "heif-convert"
	if f.size > maxInput {
		return nil, none("it has %d bytes", f.size)
	}
	at, ctx, end, err := m.begin(ctx, name)
	if err != nil {
		return nil, err
	}
	defer end()
	in, err := inMemory()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if _, err := io.Copy(in, f.reader()); err != nil {
		return nil, err
	}
	out, err := inMemory()
	if err != nil {
		return nil, err
	}
	size, err := convertInto(ctx, at, in, out, quality)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return memoryFile{out, size}, nil
}

func convertInto(ctx context.Context, at string, in, out *os.File, quality int) (size int64, err error) {
	dir, err := linkFolder()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	said, err := run(ctx, at, []string{"-q", strconv.Itoa(quality), inName, filepath.Join(dir, "out.jpg")}, []*os.File{in, out}, dir, io.Discard)
	if err != nil {
		return 0, failed(ctx, filepath.Base(at), err, said)
	}
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() == 0 {
		return 0, failed(ctx, filepath.Base(at), nil, said)
	}
	_, err = out.Seek(0, io.SeekStart)
	return info.Size(), err
}

// linkFolder makes a folder in memory with the names under which heif-convert writes;
// of a file with several pictures the first one counts, and the others are lost with
// the folder.
func linkFolder() (string, error) {
	var fsys unix.Statfs_t
	if err := unix.Statfs(memoryFolder, &fsys); err != nil || int64(fsys.Type) != unix.TMPFS_MAGIC {
		return "", none("%s is no folder in memory", memoryFolder)
	}
	dir, err := os.MkdirTemp(memoryFolder, "keepsake-")
	if err != nil {
		return "", none("%w", err)
	}
	for _, n := range []string{"out.jpg", "out-1.jpg"} {
		if err := os.Symlink(outName, filepath.Join(dir, n)); err != nil {
			return "", errors.Join(none("%w", err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// film takes the first picture of a film.
func (m *Maker) film(ctx context.Context, f *input, size int) ([]byte, error) {
	const name = "ffmpeg"
	at, ctx, end, err := m.begin(ctx, name)
	if err != nil {
		return nil, err
	}
	defer end()
	in, err := inMemory()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if err := copyFilm(in, f); err != nil {
		return nil, err
	}
	box := strconv.Itoa(size)
	var out bytes.Buffer
	said, err := run(ctx, at, []string{"-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1", "-protocol_whitelist", "file", "-f", "mov", "-i", inName,
		"-map", "0:v:0", "-frames:v", "1", "-vf", "scale=w=" + box + ":h=" + box + ":force_original_aspect_ratio=decrease,format=yuvj420p",
		"-f", "mjpeg", "-q:v", "4", "-threads", "1", "-protocol_whitelist", "pipe", "pipe:1"}, []*os.File{in}, "/", &bounded{w: &out, left: smallOutput})
	if err == nil {
		_, err = jpeg.DecodeConfig(bytes.NewReader(out.Bytes()))
	}
	if err != nil {
		return nil, failed(ctx, name, err, said)
	}
	return out.Bytes(), nil
}
