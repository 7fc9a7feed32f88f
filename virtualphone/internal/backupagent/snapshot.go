package backupagent

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// stored is what a file became on its way to the host.
type stored struct {
	size      int64 // of the stored bytes
	key       [keybag.WrappedKeySize]byte
	digest    [20]byte
	hasKey    bool
	hasDigest bool
}

// sentFile is a file that was sent, and the state of the phone's file then.
type sentFile struct {
	stored
	mtime int64 // nanoseconds
	size  int64 // of the phone's file
	acked bool  // the host confirmed the batch
	again bool  // an earlier, unconfirmed or other content may lie on the host instead
}

// snapshot is the phone's half-finished snapshot: what it has sent into the
// host's Snapshot folder, so that an interrupted run goes on. It is a folder:
//
//	backup/snapshot/state.json   which run it belongs to, and its keybag
//	backup/snapshot/sent         a record for each file sent, in order
//
// A record is one letter and what belongs to it:
//
//	'S' id 20 | mtime i64 | size i64 | stored size i64 | flags u8 | key 44 | digest 20
//	'F' id 20 the file failed after all; what lies on the host is no use
//	'A'       everything before it was confirmed by the host
//
// Integers are big-endian. A record cut short at the end is no record.
type snapshot struct {
	UUID      string `json:"uuid"` // of Status.plist
	Full      bool   `json:"full"`
	Encrypted bool   `json:"encrypted"`
	KeyBag    []byte `json:"keybag"`
	Clean     bool   `json:"clean"` // Snapshot was empty when the run began

	dir  string
	sent map[itunesbackup.FileID]sentFile
	file *os.File
	w    *bufio.Writer
}

const sentRecord = 1 + 20 + 8 + 8 + 8 + 1 + keybag.WrappedKeySize + 20

// beginHalf forgets any earlier run and starts the notes of this one.
func (b *backup) beginHalf(clean bool) (*snapshot, error) {
	s := &snapshot{UUID: b.status.UUID, Full: b.full, Encrypted: b.encrypted, KeyBag: b.bag.Marshal(), Clean: clean,
		dir: b.own("snapshot"), sent: map[itunesbackup.FileID]sentFile{}}
	if err := os.RemoveAll(s.dir); err != nil {
		return nil, fmt.Errorf("begin snapshot: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("begin snapshot: %w", err)
	}
	state, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(b.own("snapshot", "state.json"), state, 0o600)
	}
	if err == nil {
		err = s.append()
	}
	if err != nil {
		return nil, fmt.Errorf("begin snapshot: %w", err)
	}
	return s, nil
}

// openHalf gives the notes of the run with that UUID, or nil when the phone
// has none.
func (b *backup) openHalf(uuid string) (*snapshot, error) {
	state, err := os.ReadFile(b.own("snapshot", "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("continue snapshot: %w", err)
	}
	s := &snapshot{dir: b.own("snapshot"), sent: map[itunesbackup.FileID]sentFile{}}
	if err := json.Unmarshal(state, s); err != nil || s.UUID != uuid {
		return nil, nil // cut off while it was begun, or another run's
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("continue snapshot: %w", err)
	}
	if err := s.append(); err != nil {
		return nil, fmt.Errorf("continue snapshot: %w", err)
	}
	return s, nil
}

// append opens the record file for writing behind its last whole record.
func (s *snapshot) append() error {
	f, err := os.OpenFile(s.dir+"/sent", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s.file, s.w = f, bufio.NewWriterSize(f, 64<<10)
	return nil
}

func (s *snapshot) load() error {
	f, err := os.OpenFile(s.dir+"/sent", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	var pending []itunesbackup.FileID
	whole := int64(0)
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return f.Truncate(whole)
		}
		var rec [sentRecord - 1]byte
		body := rec[:recordBody(kind)]
		if _, err := io.ReadFull(r, body); err != nil {
			return f.Truncate(whole)
		}
		whole += 1 + int64(len(body))
		switch kind {
		case 'S':
			id, sf := decodeSent(&rec)
			_, sf.again = s.sent[id]
			s.sent[id] = sf
			pending = append(pending, id)
		case 'F':
			delete(s.sent, itunesbackup.FileID(body))
		case 'A':
			s.acknowledge(pending)
			pending = pending[:0]
		default:
			return f.Truncate(whole - 1)
		}
	}
}

// recordBody is the length of a record behind its letter.
func recordBody(kind byte) int {
	switch kind {
	case 'S':
		return sentRecord - 1
	case 'F':
		return len(itunesbackup.FileID{})
	}
	return 0
}

func (s *snapshot) acknowledge(ids []itunesbackup.FileID) {
	for _, id := range ids {
		if sf, ok := s.sent[id]; ok {
			sf.acked = true
			s.sent[id] = sf
		}
	}
}

func decodeSent(rec *[sentRecord - 1]byte) (itunesbackup.FileID, sentFile) {
	var sf sentFile
	id := itunesbackup.FileID(rec[:20])
	sf.mtime = int64(binary.BigEndian.Uint64(rec[20:]))
	sf.size = int64(binary.BigEndian.Uint64(rec[28:]))
	sf.stored.size = int64(binary.BigEndian.Uint64(rec[36:]))
	sf.hasKey, sf.hasDigest = rec[44]&1 != 0, rec[44]&2 != 0
	copy(sf.key[:], rec[45:])
	copy(sf.digest[:], rec[45+keybag.WrappedKeySize:])
	return id, sf
}

func encodeSent(id itunesbackup.FileID, sf sentFile) []byte {
	rec := make([]byte, 0, sentRecord)
	rec = append(append(rec, 'S'), id[:]...)
	rec = binary.BigEndian.AppendUint64(rec, uint64(sf.mtime))
	rec = binary.BigEndian.AppendUint64(rec, uint64(sf.size))
	rec = binary.BigEndian.AppendUint64(rec, uint64(sf.stored.size))
	flags := byte(0)
	if sf.hasKey {
		flags |= 1
	}
	if sf.hasDigest {
		flags |= 2
	}
	rec = append(append(rec, flags), sf.key[:]...)
	return append(rec, sf.digest[:]...)
}

// keep drops what cannot be trusted to lie on the host as it was sent, given
// the lengths of what lies there.
func (s *snapshot) keep(arrived map[itunesbackup.FileID]int64) {
	for id, sf := range s.sent {
		size, ok := arrived[id]
		if !ok || size != sf.stored.size || !sf.acked && (sf.again || !s.Clean) {
			delete(s.sent, id)
		}
	}
}

// has tells whether the file was sent whole.
func (s *snapshot) has(id itunesbackup.FileID) bool {
	_, ok := s.sent[id]
	return ok
}

// of gives what e was stored as if it was sent and is still the same.
func (s *snapshot) of(e *entry) (stored, bool) {
	sf, ok := s.sent[e.id]
	if !ok || sf.mtime != e.mtime || sf.size != e.size {
		return stored{}, false
	}
	return sf.stored, true
}

// note records that e was sent.
func (s *snapshot) note(e *entry) error {
	sf := sentFile{stored: e.stored, mtime: e.mtime, size: e.size}
	if _, err := s.w.Write(encodeSent(e.id, sf)); err != nil {
		return fmt.Errorf("note sent file: %w", err)
	}
	return nil
}

// forget records that e failed, so that an earlier try does not count.
func (s *snapshot) forget(e *entry) error {
	if _, err := s.w.Write(append([]byte{'F'}, e.id[:]...)); err != nil {
		return fmt.Errorf("note failed file: %w", err)
	}
	return nil
}

// confirm records that the host has everything noted so far.
func (s *snapshot) confirm() error {
	if err := s.w.WriteByte('A'); err != nil {
		return fmt.Errorf("note sent files: %w", err)
	}
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("note sent files: %w", err)
	}
	return nil
}

func (s *snapshot) close() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.w.Flush(), s.file.Close())
	s.file = nil
	return err
}

// discard forgets the run: it is finished.
func (s *snapshot) discard() error { return errors.Join(s.close(), os.RemoveAll(s.dir)) }

// bag opens the keybag of a full run with the phone's password, nil when that
// is not its password any more.
func (s *snapshot) bag(ctx context.Context, password secret.BackupPassword) (*keybag.Keybag, error) {
	bag, err := keybag.Parse(s.KeyBag)
	if err != nil {
		return nil, nil // begun but not written to its end
	}
	if !s.Encrypted {
		return bag, nil
	}
	switch err := bag.Unlock(ctx, password); {
	case errors.Is(err, keybag.ErrWrongPassword):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("continue snapshot: %w", err)
	}
	return bag, nil
}
