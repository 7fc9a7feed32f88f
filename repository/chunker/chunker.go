package chunker

import "fmt"

// Settings are the sizes of the rules, all in bytes. A zero field stands for
// its default. Repositories keep nothing of them: another value only means that
// what is stored from then on shares less with what is there.
type Settings struct {
	// DatabasePage is the length of the pieces of a Database: 64 KiB; a power of
	// two from 16 KiB to 256 KiB.
	DatabasePage int
	// MediaPiece is the length of the pieces of Media: 8 MiB; 64 KiB to 8 MiB.
	MediaPiece int
	// Min, Mean and Max bound the chunks of General: 512 KiB, 1 MiB, 8 MiB.
	// 64 <= Min <= Mean <= Max <= 8 MiB, and Mean is at least 256.
	Min, Mean, Max int
	// Rabin cuts everything, whatever its kind, as restic cuts: for repositories
	// into which restic writes as well. Only this rule's own sizes count then.
	Rabin bool
}

const (
	// MaxChunk is the longest chunk of any rule. Every reader of a repository
	// holds whole blobs in memory (restic-format.md 15, 13).
	MaxChunk = 8 << 20

	defaultDatabasePage = 64 << 10
	defaultMin          = 512 << 10
	defaultMean         = 1 << 20
)

// withDefaults fills in what is zero and refuses what no rule can work with.
func (s Settings) withDefaults() (Settings, error) {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&s.DatabasePage, defaultDatabasePage)
	set(&s.MediaPiece, MaxChunk)
	set(&s.Min, defaultMin)
	set(&s.Mean, defaultMean)
	set(&s.Max, MaxChunk)
	switch {
	case s.DatabasePage < 16<<10 || s.DatabasePage > 256<<10 || s.DatabasePage&(s.DatabasePage-1) != 0:
		return s, fmt.Errorf("chunk settings: database page of %d bytes, want a power of two from 16 to 256 KiB", s.DatabasePage)
	case s.MediaPiece < 64<<10 || s.MediaPiece > MaxChunk:
		return s, fmt.Errorf("chunk settings: media piece of %d bytes, want 64 KiB to 8 MiB", s.MediaPiece)
	case s.Min < window || s.Mean < 256 || s.Min > s.Mean || s.Mean > s.Max || s.Max > MaxChunk:
		return s, fmt.Errorf("chunk settings: min %d, mean %d, max %d bytes: want 64 <= min <= mean <= max <= 8 MiB, mean >= 256", s.Min, s.Mean, s.Max)
	}
	return s, nil
}

// Chunker finds the ends of the chunks of one file after the other. It is not
// safe for concurrent use.
type Chunker interface {
	// Max is the length of the longest chunk, in bytes.
	Max() int
	// Next returns the length of the chunk with which buf begins, or 0 if that
	// takes more bytes. buf holds all that was read of the chunk so far; between
	// calls for one chunk it only grows. final says that no more bytes will come:
	// then the answer is 0 only for an empty buf. With Max bytes in buf the
	// answer is never 0. After a chunk was found the next call begins another.
	Next(buf []byte, final bool) int
	// Reset forgets the calls for an unfinished chunk.
	Reset()
}

// New makes the chunker for contents of a kind. polynomial is the repository's
// (restic-format.md 9): it seeds the gear rule and is the modulus of the Rabin
// rule, where its degree has to be 53. The tables made from it are kept and
// shared, so New may be called for each file.
func New(kind Kind, polynomial uint64, s Settings) (Chunker, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, err
	}
	switch {
	case s.Rabin:
		t, err := rabinTableFor(polynomial)
		if err != nil {
			return nil, err
		}
		return &windowed{min: rabinMin, mean: rabinMin + 1<<rabinBits, max: rabinMax, rule: t}, nil
	case kind == General:
		return &windowed{min: s.Min, mean: s.Mean, max: s.Max, rule: newGearRule(gearTableFor(polynomial), s)}, nil
	case kind == Database:
		return fixed(s.DatabasePage), nil
	case kind == Media:
		return fixed(s.MediaPiece), nil
	}
	return nil, fmt.Errorf("chunker: %v has no rule", kind)
}

// fixed cuts pieces of its own number of bytes, counted from the file's start.
type fixed int

func (f fixed) Max() int { return int(f) }
func (f fixed) Reset()   {}

func (f fixed) Next(buf []byte, final bool) int {
	if len(buf) >= int(f) {
		return int(f)
	}
	if final {
		return len(buf)
	}
	return 0
}

// plan: no use asking before a piece is whole.
func (f fixed) plan(int) int { return int(f) }
func (f fixed) usual() int   { return int(f) }

// window is how many bytes before a cut decide about it, in both rules that
// look at content. So nothing has to be carried from one call to the next but
// the place that was reached.
const window = 64

// rule looks at content.
type rule interface {
	// cut returns the smallest n with from <= n <= to such that the window that
	// ends at buf[n] says "cut", or 0. from is at least the length of a window.
	cut(buf []byte, from, to int) int
}

// windowed cuts by content, between a shortest and a longest length.
type windowed struct {
	min, mean, max int
	rule           rule
	tested         int // lengths up to this one are no cuts
}

func (w *windowed) Max() int { return w.max }
func (w *windowed) Reset()   { w.tested = 0 }

func (w *windowed) Next(buf []byte, final bool) int {
	// A chunk of max bytes ends there whatever the window says.
	to := min(len(buf), w.max-1)
	if from := max(w.min, w.tested+1); from <= to {
		if n := w.rule.cut(buf, from, to); n != 0 {
			w.tested = 0
			return n
		}
		w.tested = to
	}
	switch {
	case len(buf) >= w.max:
		w.tested = 0
		return w.max
	case final:
		w.tested = 0
		return len(buf)
	}
	return 0
}

// plan: nothing is cut before min; from there on in steps, for what is read
// behind a cut has to be moved.
func (w *windowed) plan(have int) int {
	if have < w.min {
		return w.min
	}
	return min(have+min(readAhead, max(w.mean/4, 1)), w.max)
}

// usual is a length that few chunks pass: less than one in 100 of the gear rule's.
func (w *windowed) usual() int { return min(2*w.mean, w.max) }
