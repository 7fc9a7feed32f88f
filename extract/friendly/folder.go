package friendly

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// retry is how long a list that could not be made is kept.
const retry = 30 * time.Second

// folder is listed when it is first opened.
type folder struct {
	name string

	mu     sync.Mutex
	load   func(context.Context) ([]node, error) // nil: kids are all there is
	kids   []node                                // by name
	loaded bool
	failed time.Time // zero: the list is whole
}

// node is a file or folder in a folder.
type node struct {
	name string
	dir  *folder // nil: a file
	time int64   // Unix nanoseconds; 0: that of the backup
	// What is behind a file: base in the folder in of the source, or what makes it.
	in   string
	base string
	file *making
}

// making is a file that is made. Its size is −1 until it was made once, and tooLarge.
type making struct {
	write func(context.Context, io.Writer) error
	size  atomic.Int64
}

const (
	unknownSize = -1
	tooLarge    = -2
)

// nodes lists the folder. A failing list has the reason as a file in it.
func (d *folder) nodes(ctx context.Context) []node {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.load == nil || d.loaded && (d.failed.IsZero() || time.Since(d.failed) < retry) {
		return d.kids
	}
	kids, err := d.load(ctx)
	d.failed = time.Time{}
	if err != nil {
		d.failed = time.Now()
	}
	d.kids, d.loaded = kids, true
	return d.kids
}
