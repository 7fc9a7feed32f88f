package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Save sends a file. Servers differ in what they do with a name that exists:
// rest-server and ours refuse it, and it counts as saved if the size is right;
// rclone replaces it. Whether a config exists is asked first, for rclone would
// replace that too.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	if h.Type == backend.ConfigFile {
		switch _, err := b.Stat(ctx, h); {
		case err == nil:
			return fmt.Errorf("save %v: %w", h, backend.ErrExist)
		case !errors.Is(err, backend.ErrNotExist):
			return fmt.Errorf("save %v: %w", h, err)
		}
	}
	u := newUpload(data)
	defer u.release()
	err := b.exchange(ctx, http.MethodPost, b.url(h), u)
	if source := u.sourceError(); err != nil && source != nil {
		err = source
	}
	var refused *StatusError
	if errors.As(err, &refused) && refused.Code == http.StatusForbidden {
		err = b.whyForbidden(ctx, h, u.size, refused)
	}
	if err != nil {
		return fmt.Errorf("save %v: %w", h, forMissingPlace(forWriting(err)))
	}
	return nil
}

// whyForbidden finds out what a 403 to a Save means: the file is there, nobody
// may write, or this user may not even look.
func (b *Backend) whyForbidden(ctx context.Context, h backend.Handle, size int64, refused *StatusError) error {
	info, err := b.Stat(ctx, h)
	switch {
	case err == nil && h.Type == backend.ConfigFile:
		return backend.ErrExist
	case err == nil && info.Size == size:
		return nil
	case err == nil:
		return &permanentError{fmt.Errorf("it is there with %d bytes instead of %d, and the server replaces nothing: %w", info.Size, size, backend.ErrReadOnly)}
	case errors.Is(err, backend.ErrNotExist):
		return refused // forWriting makes it ErrReadOnly
	case errors.Is(err, backend.ErrDenied):
		return &deniedError{refused}
	}
	return err
}

// deniedError keeps forWriting from calling a denied user a read-only store.
type deniedError struct{ refused *StatusError }

func (e *deniedError) Error() string   { return e.refused.Error() }
func (e *deniedError) Is(t error) bool { return t == backend.ErrDenied }
func (e *deniedError) Hint() string    { return e.refused.Hint() }

// forMissingPlace keeps a 404 to a Save from meaning that a file is missing.
func forMissingPlace(err error) error {
	if errors.Is(err, backend.ErrNotExist) {
		return &permanentError{fmt.Errorf("the server has no such repository: %v", err)}
	}
	return err
}

// Stat asks for the size of a file.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	if err := h.Check(); err != nil {
		return backend.FileInfo{}, fmt.Errorf("stat: %w", err)
	}
	size, err := b.size(ctx, h)
	if err != nil {
		return backend.FileInfo{}, fmt.Errorf("stat %v: %w", h, err)
	}
	return backend.FileInfo{Name: h.Name, Size: size}, nil
}

func (b *Backend) size(ctx context.Context, h backend.Handle) (int64, error) {
	w := newWatch(ctx, b.patience)
	defer w.close()
	resp, err := b.send(w, http.MethodHead, b.url(h), nil)
	if err != nil {
		return 0, err
	}
	defer b.dismiss(w, resp)
	switch {
	case resp.StatusCode != http.StatusOK:
		return 0, refusal(resp)
	case resp.ContentLength < 0:
		return 0, &permanentError{errors.New("the server does not tell the size")}
	}
	return resp.ContentLength, nil
}

// Remove deletes a file. On an append-only server that is ErrReadOnly, but for
// locks.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	if err := b.exchange(ctx, http.MethodDelete, b.url(h), nil); err != nil {
		return fmt.Errorf("remove %v: %w", h, forWriting(err))
	}
	return nil
}
