//go:build !linux

package thumbnail

import "context"

// Elsewhere there is no file in memory that a program could be given by name.

func (m *Maker) convert(context.Context, *input, int) (output, error) {
	return nil, none("%w: HEIC pictures are converted on Linux only", ErrNotInstalled)
}

func (m *Maker) film(context.Context, *input, int) ([]byte, error) {
	return nil, none("pictures are taken out of films on Linux only")
}
