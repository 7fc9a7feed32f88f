package search

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/keepsake-backup/keepsake/search/internal/sealed"
	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

// state is the index at one moment. It stays as it is while it is in use, also when
// its files are removed meanwhile.
type state struct {
	file     fs.FileInfo // of the manifest; nil when there is none
	versions []*version  // ordered by time
	segments []*openSegment
	trouble  []error

	refs  atomic.Int64
	union []func() *segment.Bits // of each segment: documents that any version has
}

// openSegment is a segment that states share.
type openSegment struct {
	ref    fileRef
	sealed *sealed.Reader
	*segment.Reader
	states int // guarded by Index.mu
}

// version is a version and its documents.
type version struct {
	VersionInfo
	file fileRef
	data []byte // as in its file
	segs []*openSegment
	bits func() (map[*openSegment]*segment.Bits, error)
}

// docs are the version's documents of a segment; nil for none.
func (v *version) docs(s *openSegment) *segment.Bits {
	m, err := v.bits()
	if err != nil {
		return nil // it was parsed when it was loaded
	}
	return m[s]
}

// presence is the documents of a version in one segment. A version's file is the number
// of segments and of each: the length of its name, the name, the number of its
// documents, and the set (segment.Bits.Append); numbers are uvarints.
type presence struct {
	name string
	bits *segment.Bits
}

func encodePresence(list []presence) []byte {
	b := binary.AppendUvarint(nil, uint64(len(list)))
	for _, p := range list {
		b = append(binary.AppendUvarint(b, uint64(len(p.name))), p.name...)
		b = p.bits.Append(binary.AppendUvarint(b, uint64(p.bits.Len())))
	}
	return b
}

// parsePresence reads what encodePresence has written.
func parsePresence(data []byte) ([]presence, error) {
	bad := func(what string) ([]presence, error) {
		return nil, fmt.Errorf("%w: list of documents: %s", sealed.ErrDamaged, what)
	}
	next := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			data = nil
			return 1 << 63
		}
		data = data[n:]
		return v
	}
	n := next()
	if n > maxSegments {
		return bad("number of segments")
	}
	var list []presence
	total := 0
	for range n {
		size := next()
		if size > uint64(len(data)) {
			return bad("cut")
		}
		name := string(data[:size])
		data = data[size:]
		docs := next()
		if docs > segment.MaxDocs || total+int(docs) > 4*segment.MaxDocs {
			return bad("number of documents")
		}
		total += int(docs)
		bits, rest, err := segment.ParseBits(data, int(docs))
		if err != nil {
			return bad(err.Error())
		}
		data = rest
		list = append(list, presence{name, bits})
	}
	if len(data) != 0 {
		return bad("too long")
	}
	return list, nil
}

// errMoved says that a file of the manifest is gone: somebody has written meanwhile.
var errMoved = errors.New("the index has changed meanwhile")

// load reads the manifest and opens what it names. Segments that are open are taken
// from open. Only an error of the system is one; what is damaged is left out.
func (ix *Index) load(open map[string]*openSegment) (*state, error) {
	st := &state{}
	info, err := ix.root.Stat(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	} else if err != nil {
		return nil, err
	}
	st.file = info
	data, _, err := sealed.ReadFile(ix.root, manifestName, ix.key, maxManifest)
	var m *manifest
	if err == nil {
		m, err = parseManifest(data)
	}
	if errors.Is(err, sealed.ErrDamaged) {
		st.trouble = append(st.trouble, fmt.Errorf("the index has to be made again: %w", err))
		return st, nil
	} else if err != nil {
		return nil, err
	}
	segments := map[string]*openSegment{}
	for _, s := range m.Segments {
		o, err := ix.openSegment(s, open)
		switch {
		case err == nil:
			segments[s.File.Name] = o
			st.segments = append(st.segments, o)
		case isDamage(err):
			st.trouble = append(st.trouble, err)
		default:
			st.close()
			return nil, err
		}
	}
	for _, v := range m.Versions {
		loaded, err := ix.loadVersion(v, segments)
		switch {
		case err == nil:
			st.versions = append(st.versions, loaded)
		case isDamage(err):
			st.trouble = append(st.trouble, fmt.Errorf("version %s has to be indexed again: %w", v.ID, err))
		default:
			st.close()
			return nil, err
		}
	}
	st.prepare()
	return st, nil
}

// isDamage tells whether an error is about bytes, and not about the system.
func isDamage(err error) bool {
	return errors.Is(err, sealed.ErrDamaged) || errors.Is(err, segment.ErrFormat)
}

func (ix *Index) openSegment(s manifestSegment, open map[string]*openSegment) (*openSegment, error) {
	if err := ix.bad[s.File.Name]; err != nil {
		return nil, err
	}
	if o := open[s.File.Name]; o != nil {
		return o, nil
	}
	r, err := sealed.Open(ix.root, s.File.Name, ix.key, ix.cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", s.File.Name, errMoved)
	} else if err != nil {
		return nil, err
	}
	seg, err := segment.Open(r)
	if err == nil && (!s.File.is(r.ID()) || seg.Docs() != s.Docs) {
		err = fmt.Errorf("%w: not the one that was written", sealed.ErrDamaged)
	}
	if err != nil {
		r.Close() // read only
		return nil, fmt.Errorf("open %s: %w", s.File.Name, err)
	}
	return &openSegment{ref: s.File, sealed: r, Reader: seg}, nil
}

func (ix *Index) loadVersion(m manifestVersion, segments map[string]*openSegment) (*version, error) {
	data, id, err := sealed.ReadFile(ix.root, m.File.Name, ix.key, maxPresence)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", m.File.Name, errMoved)
	} else if err != nil {
		return nil, err
	}
	if !m.File.is(id) {
		return nil, fmt.Errorf("open %s: %w: not the one that was written", m.File.Name, sealed.ErrDamaged)
	}
	list, err := parsePresence(data)
	if err != nil {
		return nil, err
	}
	v := &version{VersionInfo: m.VersionInfo, file: m.File, data: data}
	for _, p := range list {
		s := segments[p.name]
		if s == nil || s.Docs() != p.bits.Len() {
			return nil, fmt.Errorf("%w: its segment %s is missing", sealed.ErrDamaged, p.name)
		}
		v.segs = append(v.segs, s)
	}
	v.bits = sync.OnceValues(func() (map[*openSegment]*segment.Bits, error) {
		list, err := parsePresence(v.data)
		if err != nil {
			return nil, err
		}
		m := map[*openSegment]*segment.Bits{}
		for i, p := range list {
			m[v.segs[i]] = p.bits
		}
		return m, nil
	})
	return v, nil
}

// prepare makes what searches share.
func (st *state) prepare() {
	for _, s := range st.segments {
		st.union = append(st.union, sync.OnceValue(func() *segment.Bits {
			all := segment.NewBits(s.Docs())
			for _, v := range st.versions {
				all.Or(v.docs(s))
			}
			return all
		}))
	}
}

// close closes segments that no state has.
func (st *state) close() {
	for _, s := range st.segments {
		if s.states == 0 {
			s.sealed.Close() // read only
		}
	}
}

// newest is the newest version; nil when there is none.
func (st *state) newest() *version {
	if len(st.versions) == 0 {
		return nil
	}
	return st.versions[len(st.versions)-1]
}
