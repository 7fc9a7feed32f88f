package thumbnail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sync/semaphore"

	"github.com/keepsake-backup/keepsake/extract"
)

// Bounds of what is made and of what it is made from.
const (
	minSize, maxSize = 16, 2048 // pixels
	// pixelBudget is how many bytes of decoded pixels are in memory at once: two of
	// the largest JPEGs of a phone (48 megapixels, 4:2:0).
	pixelBudget = 160 << 20
	// maxInput is the largest file that is read whole.
	maxInput = 128 << 20
	// programs run at once.
	programs = 2
)

// Maker makes small pictures. It bounds how much of that is done at once; its
// methods may be called concurrently.
type Maker struct {
	pixels  *semaphore.Weighted
	running *semaphore.Weighted
}

// New makes a Maker.
func New() *Maker {
	return &Maker{semaphore.NewWeighted(pixelBudget), semaphore.NewWeighted(programs)}
}

// none is [extract.ErrNoPreview] with a reason.
func none(format string, a ...any) error {
	return fmt.Errorf("%w: %w", extract.ErrNoPreview, fmt.Errorf(format, a...))
}

// Make gives a JPEG that fits into size by size pixels (16 to 2048) of the picture or
// film name, upright. It wraps [extract.ErrNoPreview] when there is no way to make one
// here: a format that nobody reads, a program that is not installed, a file that is
// broken or too large. Other errors are those of reading the file.
func (m *Maker) Make(ctx context.Context, fsys fs.FS, name string, size int) (extract.Preview, error) {
	size = min(max(size, minSize), maxSize)
	f, err := open(fsys, name)
	if err != nil {
		return extract.Preview{}, err
	}
	defer f.Close()
	var data []byte
	switch f.format {
	case jpegFormat, pngFormat, gifFormat, webpFormat:
		data, err = m.still(ctx, f, size)
	case heifFormat:
		data, err = m.heif(ctx, f, size)
	case movieFormat:
		data, err = m.film(ctx, f, size)
	default:
		err = none("it is no picture or film of a known format")
	}
	if err != nil {
		return extract.Preview{}, fmt.Errorf("make a small picture of %s: %w", name, err)
	}
	return extract.Preview{Type: "image/jpeg", Data: data}, nil
}

// JPEG writes a HEIC picture as a JPEG of the same size with its EXIF data. It wraps
// [extract.ErrNoPreview] when that cannot be done here.
func (m *Maker) JPEG(ctx context.Context, fsys fs.FS, name string, w io.Writer) error {
	f, err := open(fsys, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.format != heifFormat {
		return fmt.Errorf("convert %s: %w", name, none("it is no HEIC picture"))
	}
	out, err := m.convert(ctx, f, fullQuality)
	if err != nil {
		return fmt.Errorf("convert %s: %w", name, err)
	}
	defer out.Close()
	_, err = io.Copy(w, out)
	return err
}

// input is a file whose format is known.
type input struct {
	io.ReaderAt
	size   int64
	format format
	close  func() error
}

func (f *input) Close() error { return f.close() }

func (f *input) reader() *io.SectionReader { return io.NewSectionReader(f, 0, f.size) }

var errNoFile = errors.New("it is no file")

func open(fsys fs.FS, name string) (*input, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	in, err := inspect(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), f.Close())
	}
	in.close = f.Close
	return in, nil
}

func inspect(f fs.File) (*input, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("files of this kind (%T) cannot be read from the middle", f)
	}
	in := &input{ReaderAt: at, size: info.Size()}
	head := make([]byte, 64)
	n, err := io.ReadFull(in.reader(), head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	in.format = formatOf(head[:n])
	return in, nil
}
