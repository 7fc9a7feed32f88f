package fault

import (
	"context"
	"errors"
	"io"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Save stores data, unless a fault says otherwise.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	return b.do(ctx, Save, h, func(p *plan) error {
		full := p.has(Full)
		if full == nil {
			return b.next.Save(ctx, h, data)
		}
		need := data.Size()
		if info, err := b.next.Stat(ctx, h); err == nil {
			need -= info.Size
		}
		if !b.takeRoom(full, need) {
			return p.fail(backend.ErrFull)
		}
		err := b.next.Save(ctx, h, data)
		if err != nil {
			b.takeRoom(full, -need)
		}
		return err
	})
}

func (b *Backend) takeRoom(full *armed, bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes > full.room {
		return false
	}
	full.room -= bytes
	return true
}

// Load reads a file, and damages it where a fault says so.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.do(ctx, Load, h, func(p *plan) error {
		if p.has(Hide) != nil {
			return p.fail(backend.ErrNotExist)
		}
		var broke error // fn may not look at its reader's errors
		err := b.next.Load(ctx, h, offset, length, func(r io.Reader) error {
			broke = nil
			for _, f := range p.strikes {
				switch f.Effect {
				case Flip:
					r = &flipper{r, f.Offset - offset, 1 << (f.Bit % 8)}
				case Truncate:
					r = &truncated{r, f.Bytes, f.Err, &broke}
				}
			}
			return fn(r)
		})
		if err == nil && broke != nil {
			return p.fail(broke)
		}
		return err
	})
}

// Stat tells a file's size, or not quite.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	var info backend.FileInfo
	err := b.do(ctx, Stat, h, func(p *plan) (err error) {
		if p.has(Hide) != nil {
			return p.fail(backend.ErrNotExist)
		}
		info, err = b.next.Stat(ctx, h)
		if f := p.has(Resize); f != nil && err == nil {
			info.Size = max(info.Size+f.Bytes, 0)
		}
		return err
	})
	if err != nil {
		return backend.FileInfo{}, err
	}
	return info, nil
}

// List lists files; faults with a Name change what it tells of the files of
// that name, and are counted for them.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	return b.do(ctx, List, backend.Handle{Type: t}, func(p *plan) error {
		return b.next.List(ctx, t, func(f backend.FileInfo) error {
			strikes := append(b.named(backend.Handle{Type: t, Name: f.Name}), p.strikes...)
			for _, s := range strikes {
				switch s.Effect {
				case Hide:
					return nil
				case Resize:
					f.Size = max(f.Size+s.Bytes, 0)
				}
			}
			return fn(f)
		})
	})
}

// named gives the faults of List that strike one file by its name.
func (b *Backend) named(h backend.Handle) []*armed {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []*armed
	for _, f := range b.faults {
		if f.Name != "" && (f.Effect == Hide || f.Effect == Resize) && f.strikes(List, h) {
			found = append(found, f)
		}
	}
	return found
}

// Remove deletes a file, unless a fault says otherwise.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	return b.do(ctx, Remove, h, func(p *plan) error {
		full := p.has(Full)
		if full == nil {
			return b.next.Remove(ctx, h)
		}
		info, err := b.next.Stat(ctx, h)
		if err != nil && !errors.Is(err, backend.ErrNotExist) {
			return err
		}
		if err := b.next.Remove(ctx, h); err != nil {
			return err
		}
		b.takeRoom(full, -info.Size)
		return nil
	})
}

// flipper turns bits of the byte that is ahead bytes further on.
type flipper struct {
	r     io.Reader
	ahead int64
	mask  byte
}

func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.ahead >= 0 && f.ahead < int64(n) {
		p[f.ahead] ^= f.mask
	}
	f.ahead -= int64(n)
	return n, err
}

// truncated ends after left bytes with err.
type truncated struct {
	r     io.Reader
	left  int64
	err   error
	broke *error
}

func (t *truncated) Read(p []byte) (int, error) {
	if t.left == 0 {
		switch t.err {
		case nil:
			*t.broke = io.ErrUnexpectedEOF
		case io.EOF:
			return 0, io.EOF
		default:
			*t.broke = t.err
		}
		return 0, *t.broke
	}
	n, err := t.r.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	return n, err
}
