// Package afcd is com.apple.afc: the media partition (/var/mobile/Media on a
// phone) as files over a connection (protocol.md 4.9, 14.2).
//
//	"CFA6LPAA" | u64 entire | u64 this | u64 packet number | u64 operation | parameters | data
//
// What hosts see is several folders of the state laid over one another, the
// first that has a name winning; new top-level names go to the last:
//
//	fs/CameraRollDomain/Media   DCIM, PhotoData
//	fs/MediaDomain/Media        Recordings and other media that a backup holds
//	media                       music, books, purchases, lock files: in no backup
//
// Nothing outside these folders can be reached: they are opened as os.Root.
package afcd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// Policy is what the phone's state means for files.
type Policy struct {
	Locked     bool
	Protected  []string // patterns of path.Match, or folders: not to be opened while locked
	HardLinked []string // never to be opened (protocol.md 14.2)
	FreeSpace  int64    // bytes; 0 is plenty
}

// Server serves connections. Its fields are set before the first.
type Server struct {
	Dir    string // state folder of the phone
	Policy func() Policy
	Faults mischief.Hitter
	Log    *slog.Logger
	// Blank keeps the length of what is written and zeros for its bytes.
	Blank bool

	locks locks
}

// maxHandles is how many files one connection may have open.
const maxHandles = 4

// session is one connection.
type session struct {
	srv     *Server
	layers  layers
	handles map[uint64]*handle
	next    uint64
}

// Serve answers requests until the host closes conn.
func (s *Server) Serve(ctx context.Context, conn net.Conn) error {
	layers, err := openLayers(s.Dir)
	if err != nil {
		return err
	}
	x := &session{srv: s, layers: layers, handles: map[uint64]*handle{}, next: 1}
	defer x.close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for {
		p, err := afc.ReadPacket(conn)
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("AFC request: %w", err)
		}
		reply, err := x.answer(ctx, p, conn)
		if err != nil {
			return err
		}
		reply.Number = p.Number
		if err := afc.WritePacket(conn, reply); err != nil {
			return err
		}
	}
}

func (x *session) close() {
	for _, h := range x.handles {
		x.srv.locks.release(h)
		h.f.Close()
	}
	x.layers.close()
}

// answer carries out one request. Errors other than refusals end the session.
func (x *session) answer(ctx context.Context, p afc.Packet, conn net.Conn) (afc.Packet, error) {
	op, known := operations[p.Op]
	err := mischief.AFC.At(ctx, x.srv.Faults, "afc."+op.name, conn)
	var refusal *mischief.Refusal
	if errors.As(err, &refusal) {
		return status(refusalStatus(refusal.Name)), nil
	}
	if err != nil {
		return afc.Packet{}, err
	}
	if !known {
		return status(afc.StatusUnknownPacket), nil
	}
	// Some hosts put a path behind its numbers into the parameters, some into
	// the data: both follow one another anyway.
	args := arguments{p.Head[:len(p.Head)+len(p.Data)]}
	reply, err := op.do(x, args)
	if err != nil {
		x.srv.Log.Debug("AFC refuses", "operation", op.name, "cause", err)
		return status(statusOf(err)), nil
	}
	return reply, nil
}

func refusalStatus(name string) afc.Status {
	if n, err := strconv.ParseUint(name, 10, 8); err == nil && n > 0 {
		return afc.Status(n)
	}
	return afc.StatusUnknown
}

// operation is one row of the table of protocol.md 4.9; name is its fault point.
type operation struct {
	name string
	do   func(*session, arguments) (afc.Packet, error)
}

const (
	opSetConnectionOptions afc.Op = 0x17
	opSetFSBlockSize       afc.Op = 0x19
	opSetSocketBlockSize   afc.Op = 0x1A
	opSetImmutableHint     afc.Op = 0x20
)

var operations = map[afc.Op]operation{
	afc.OpReadDir:           {"readdir", (*session).readDir},
	afc.OpTruncate:          {"truncate", (*session).truncate},
	afc.OpRemovePath:        {"remove", (*session).remove},
	afc.OpMakeDir:           {"mkdir", (*session).makeDir},
	afc.OpGetFileInfo:       {"info", (*session).fileInfo},
	afc.OpGetDeviceInfo:     {"deviceinfo", (*session).deviceInfo},
	afc.OpFileOpen:          {"open", (*session).open},
	afc.OpFileRead:          {"read", (*session).read},
	afc.OpFileWrite:         {"write", (*session).write},
	afc.OpFileSeek:          {"seek", (*session).seek},
	afc.OpFileTell:          {"tell", (*session).tell},
	afc.OpFileClose:         {"close", (*session).closeFile},
	afc.OpFileSetSize:       {"setsize", (*session).setSize},
	afc.OpRenamePath:        {"rename", (*session).rename},
	afc.OpFileLock:          {"lock", (*session).lock},
	afc.OpMakeLink:          {"link", (*session).makeLink},
	afc.OpSetModTime:        {"setmtime", (*session).setModTime},
	afc.OpRemoveAll:         {"removeall", (*session).removeAll},
	afc.OpGetConnectionInfo: {"connectioninfo", (*session).nothing},
	opSetConnectionOptions:  {"options", (*session).nothing},
	opSetFSBlockSize:        {"blocksize", (*session).nothing},
	opSetSocketBlockSize:    {"socketblocksize", (*session).nothing},
	opSetImmutableHint:      {"immutablehint", (*session).nothing},
}

func (x *session) nothing(arguments) (afc.Packet, error) { return ok() }

func status(s afc.Status) afc.Packet {
	return afc.Packet{Op: afc.OpStatus, Head: number(uint64(s))}
}

func ok() (afc.Packet, error) { return status(afc.StatusOK), nil }

func data(b []byte) (afc.Packet, error) { return afc.Packet{Op: afc.OpData, Data: b}, nil }

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// arguments are the bytes of a request after its header.
type arguments struct{ b []byte }

// number takes the next u64.
func (a *arguments) number() (uint64, error) {
	if len(a.b) < 8 {
		return 0, afc.StatusInvalidArgument
	}
	n := binary.LittleEndian.Uint64(a.b)
	a.b = a.b[8:]
	return n, nil
}

// statusOf names the cause for the host.
func statusOf(err error) afc.Status {
	var s afc.Status
	switch {
	case errors.As(err, &s):
		return s
	case errors.Is(err, os.ErrNotExist):
		return afc.StatusNotFound
	case isNotEmpty(err): // before ErrExist, for which Go takes it too
		return afc.StatusDirNotEmpty
	case errors.Is(err, os.ErrExist):
		return afc.StatusExists
	case errors.Is(err, os.ErrPermission):
		return afc.StatusPermissionDenied
	case isNoSpace(err):
		return afc.StatusNoSpace
	}
	return afc.StatusIO
}

// folders of the state, in the order in which names are looked up.
func folders(dir string) []string {
	return []string{
		filepath.Join(dir, "fs", "CameraRollDomain", "Media"),
		filepath.Join(dir, "fs", "MediaDomain", "Media"),
		filepath.Join(dir, "media"),
	}
}
