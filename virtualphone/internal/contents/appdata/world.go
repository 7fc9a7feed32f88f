package appdata

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// Domains of the files this package writes (backup-format.md 4.3).
const (
	homeDomain      = "HomeDomain"
	mediaDomain     = "MediaDomain"
	memosDomain     = "AppDomainGroup-group.com.apple.VoiceMemos.shared"
	notesDomain     = "AppDomainGroup-group.com.apple.notes"
	remindersDomain = "AppDomainGroup-group.com.apple.reminders"
	whatsAppDomain  = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
)

// counts is how much of everything a phone has.
type counts struct {
	contacts, messages, attachments, calls, voicemails, memos, notes int
	events, reminders, bookmarks, visits, chats, chatMedia           int
	minFile, maxFile                                                 int // bytes of an attachment
	years                                                            int // how far back the data goes
}

func countsOf(scale int) (counts, error) {
	switch scale {
	case 0:
		return counts{contacts: 12, messages: 60, attachments: 6, calls: 20, voicemails: 4, memos: 5, notes: 12,
			events: 14, reminders: 12, bookmarks: 12, visits: 30, chats: 40, chatMedia: 6,
			minFile: 4 << 10, maxFile: 16 << 10, years: 1}, nil
	case 1:
		return counts{contacts: 120, messages: 3000, attachments: 120, calls: 200, voicemails: 10, memos: 15, notes: 40,
			events: 150, reminders: 60, bookmarks: 60, visits: 600, chats: 600, chatMedia: 60,
			minFile: 10 << 10, maxFile: 60 << 10, years: 2}, nil
	case 2:
		return counts{contacts: 600, messages: 60000, attachments: 1500, calls: 1000, voicemails: 25, memos: 60, notes: 250,
			events: 1500, reminders: 300, bookmarks: 300, visits: 6000, chats: 12000, chatMedia: 500,
			minFile: 50 << 10, maxFile: 500 << 10, years: 4}, nil
	}
	return counts{}, fmt.Errorf("scale %d: want 0 tiny, 1 small or 2 typical", scale)
}

// world is what all databases of one phone share. It is read-only once made,
// so stores may be written at the same time.
type world struct {
	seed   uint64
	ios    string
	major  int
	now    time.Time
	root   string
	n      counts
	me     person
	people []person
}

func newWorld(fsDir string, o Options) (*world, error) {
	if fsDir == "" {
		return nil, errors.New("no folder given")
	}
	if o.Now.IsZero() {
		return nil, errors.New("no time given: Options.Now is required")
	}
	if o.IOS == "" {
		o.IOS = defaultIOS
	}
	major, err := majorVersion(o.IOS)
	if err != nil {
		return nil, err
	}
	n, err := countsOf(o.Scale)
	if err != nil {
		return nil, err
	}
	w := &world{seed: o.Seed, ios: o.IOS, major: major, now: o.Now.UTC().Truncate(time.Second), root: fsDir, n: n}
	w.me, w.people = makePeople(w.rng("people"), n.contacts, w.now)
	return w, nil
}

// path is where a file of a domain lies on the host; rel uses slashes.
func (w *world) path(domain, rel string) string {
	return filepath.Join(w.root, domain, filepath.FromSlash(rel))
}

// begin is the time the oldest data has.
func (w *world) begin() time.Time { return w.now.AddDate(-w.n.years, 0, 0) }

// write puts a whole file in place with the given modification time.
func (w *world) write(domain, rel string, data []byte, mtime time.Time) error {
	return writeFile(w.path(domain, rel), data, mtime)
}

func writeFile(path string, data []byte, mtime time.Time) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return setTime(path, mtime)
}

func setTime(path string, mtime time.Time) error {
	mtime = mtime.Truncate(time.Second)
	return os.Chtimes(path, mtime, mtime)
}

// rng gives the random numbers of one purpose: the same seed and label give the
// same numbers, whatever else is generated before or beside it.
func (w *world) rng(label string) *rng {
	h := sha256.New()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], w.seed)
	h.Write(b[:])
	h.Write([]byte(label))
	src := rand.NewChaCha8([32]byte(h.Sum(nil)))
	return &rng{Rand: rand.New(src), src: src}
}

type rng struct {
	*rand.Rand
	src *rand.ChaCha8
}

// bytes gives n random bytes.
func (r *rng) bytes(n int) []byte {
	b := make([]byte, n)
	r.fill(b)
	return b
}

// fill overwrites b with random bytes; [rand.ChaCha8.Read] never fails.
func (r *rng) fill(b []byte) { _, _ = r.src.Read(b) }

// uuid gives a random (version 4) UUID.
func (r *rng) uuid() uuid.UUID {
	id := uuid.UUID(r.bytes(16))
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// guid gives a random UUID as Apple writes it, in capitals.
func (r *rng) guid() string { return guidString(r.uuid()) }

// chance is true with probability p.
func (r *rng) chance(p float64) bool { return r.Float64() < p }

// between gives a number from lo to hi, both included.
func (r *rng) between(lo, hi int) int {
	if hi <= lo {
		return lo
	}
	return lo + r.IntN(hi-lo+1)
}

// moment gives a whole second within s.
func (r *rng) moment(s span) time.Time {
	n := int64(s.to.Sub(s.from) / time.Second)
	if n <= 0 {
		return s.to
	}
	return s.from.Add(time.Duration(r.Int64N(n+1)) * time.Second)
}

// moments gives n whole seconds within s, oldest first.
func (r *rng) moments(n int, s span) []time.Time {
	out := make([]time.Time, n)
	for i := range out {
		out[i] = r.moment(s)
	}
	sortTimes(out)
	return out
}

func pick[T any](r *rng, from []T) T { return from[r.IntN(len(from))] }
