package backupagent

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// frameHead is what stands before the data of a frame: length and code.
const frameHead = 5

// uploading is an UploadFiles exchange under way (protocol.md 4.4).
type uploading struct {
	w       *bufio.Writer
	release func()
	link    *link
	open    bool // inside a file
}

// upload announces files of total bytes. Write them, then call finish; on an
// error of the wire, drop it.
func (l *link) upload(ctx context.Context, progress float64, total int64) (*uploading, error) {
	if err := l.send(ctx, devicelink.UploadFiles, map[string]any{}, progress, total); err != nil {
		return nil, err
	}
	w, release := l.conn.Writer(ctx)
	// A data frame of a large file is a little longer than the buffer and passes
	// it by; many small files share one write.
	return &uploading{bufio.NewWriterSize(w, devicelink.DeviceChunk), release, l, false}, nil
}

// file opens a file: where it lies on the phone and where it goes on the host.
func (u *uploading) file(device, host string) error {
	if err := devicelink.WriteFrame(u.w, []byte(device)); err != nil {
		return err
	}
	u.open = true
	return devicelink.WriteFrame(u.w, []byte(host))
}

// data sends frame[frameHead:]; the first bytes are overwritten.
func (u *uploading) data(frame []byte) error {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-frameHead+1))
	frame[4] = devicelink.CodeData
	_, err := u.w.Write(frame)
	return err
}

// end closes the file. The frame has one byte, or libimobiledevice loses count.
func (u *uploading) end() error {
	u.open = false
	return devicelink.WriteFrame(u.w, []byte{devicelink.CodeSuccess})
}

// fail closes the file with an error; text must not be empty.
func (u *uploading) fail(text string) error {
	u.open = false
	return devicelink.WriteFrame(u.w, []byte{devicelink.CodeRemoteError}, []byte(text))
}

// finish ends the transfer and waits for the host's status.
func (u *uploading) finish(ctx context.Context) (status, error) {
	defer u.release()
	if err := devicelink.WriteFrame(u.w); err != nil {
		return status{}, err
	}
	if err := u.w.Flush(); err != nil {
		return status{}, err
	}
	s, err := u.link.awaitStatus(ctx)
	if err != nil {
		return status{}, fmt.Errorf("wait for the answer to %s: %w", devicelink.UploadFiles, err)
	}
	return s, nil
}

// abandon ends an exchange early, because of cause. If that is to be told to
// the host, the exchange has to come to its end first.
func (u *uploading) abandon(ctx context.Context, cause error) error {
	mb, ok := refusal(ctx, cause)
	if !ok {
		u.release()
		return cause
	}
	if u.open {
		if err := u.fail(mb.Text); err != nil {
			u.release()
			return err
		}
	}
	if _, err := u.finish(ctx); err != nil {
		return err
	}
	return cause
}

// outgoing is a file that the agent itself made.
type outgoing struct {
	device, host string
	size         int64
	body         io.Reader
}

// sendFiles uploads made files in one exchange. What the host says about it comes
// back as text: "Error uploading files" or what the caller names.
func (l *link) sendFiles(ctx context.Context, progress float64, text string, files ...outgoing) error {
	total := int64(0)
	for _, f := range files {
		total += f.size
	}
	u, err := l.upload(ctx, progress, total)
	if err != nil {
		return err
	}
	frame := make([]byte, frameHead+devicelink.DeviceChunk)
	for _, f := range files {
		if err := u.whole(f, frame); err != nil {
			return u.abandon(ctx, fmt.Errorf("upload %s: %w", f.host, err))
		}
	}
	s, err := u.finish(ctx)
	if err != nil {
		return err
	}
	return uploadFailure(s, text)
}

func (u *uploading) whole(f outgoing, frame []byte) error {
	if err := u.file(f.device, f.host); err != nil {
		return err
	}
	for {
		n, err := io.ReadFull(f.body, frame[frameHead:])
		if n > 0 {
			if err := u.data(frame[:frameHead+n]); err != nil {
				return err
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return u.end()
		}
		if err != nil {
			return err
		}
	}
}

// uploadFailure is what a phone answers when the host could not store files.
func uploadFailure(s status, text string) error {
	switch e := s.failure(""); {
	case e == nil:
		return nil
	case s.code == devicelink.StatusMulti:
		return &Error{Code: 104, Text: "Multiple errors uploading files", Under: firstOf(s.each())}
	default:
		return writeFailed(text, e.mb())
	}
}

// firstOf names one error of several, the same one every time, and one that is
// no mere consequence of another.
func firstOf(errs map[string]*hostError) *Error {
	first := ""
	for path, e := range errs {
		better := first != "" && e.unsent == errs[first].unsent && path < first
		if first == "" || errs[first].unsent && !e.unsent || better {
			first = path
		}
	}
	if e := errs[first]; e != nil {
		return e.mb()
	}
	return nil
}
