package corpus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// words writes prose and records in a made-up language, whose words are as
// unevenly frequent as those of real ones.
type words struct {
	random *rand.Rand
	table  []string // frequent words stand in it often
	rest   []byte
	line   int
	plain  bool // prose, no records
}

const vocabulary = 6000

func newWords(random *rand.Rand) *words {
	const letters = "etaoinshrdlucmfwypvbgkjqxz"
	w := &words{random: random, table: make([]string, 1<<14)}
	at := 0
	for rank := 1; rank <= vocabulary; rank++ {
		word := make([]byte, 2+random.IntN(5)+random.IntN(5))
		for i := range word {
			word[i] = letters[int(float64(len(letters))*math.Pow(random.Float64(), 1.6))]
		}
		share := max(1, len(w.table)/(10*rank))
		for range share {
			w.table[at%len(w.table)] = string(word)
			at++
		}
	}
	for ; at < len(w.table); at++ {
		w.table[at] = w.table[random.IntN(at)]
	}
	return w
}

// sentence appends n words.
func (w *words) sentence(dst []byte, n int) []byte {
	for i := 0; i < n; i += 4 {
		bits := w.random.Uint64()
		for j := i; j < min(i+4, n); j++ {
			dst = append(append(dst, w.table[bits&(1<<14-1)]...), ' ')
			bits >>= 14
		}
	}
	return dst
}

// Read gives endless text.
func (w *words) Read(p []byte) (int, error) {
	for len(w.rest) < len(p) {
		w.line++
		if w.plain {
			w.rest = append(w.sentence(w.rest, 8+w.random.IntN(10)), '\n')
			continue
		}
		w.rest = append(w.rest, `{"id":`...)
		w.rest = strconv.AppendInt(w.rest, int64(w.line), 10)
		w.rest = append(w.rest, `,"date":"2024-01-`...)
		w.rest = strconv.AppendInt(w.rest, int64(10+w.random.IntN(20)), 10)
		w.rest = append(w.rest, `T12:`...)
		w.rest = strconv.AppendInt(w.rest, int64(10+w.random.IntN(50)), 10)
		w.rest = append(w.rest, `:00Z","key":"`...)
		w.rest = strconv.AppendUint(w.rest, w.random.Uint64(), 16)
		w.rest = append(w.rest, `","text":"`...)
		w.rest = append(w.sentence(w.rest, 4+w.random.IntN(20)), "\"}\n"...)
	}
	n := copy(p, w.rest)
	w.rest = append(w.rest[:0], w.rest[n:]...)
	return n, nil
}

// texts fills dir with prose and records of 2 KB to 20 MB.
func (m *maker) texts(dir string, bytes int64) error {
	for i := 0; bytes > 0; i++ {
		sub := filepath.Join(dir, fmt.Sprintf("%03d", i/200))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		size := min(m.between(2e3, 20e6), max(bytes, 2e3))
		ext := ".json"
		if m.words.plain = i%3 == 0; m.words.plain {
			ext = ".txt"
		}
		if err := m.create(filepath.Join(sub, fmt.Sprintf("note%05d%s", i, ext)), nil, size, m.words); err != nil {
			return err
		}
		bytes -= size
	}
	return nil
}

const (
	smallestSmall, largestSmall = 1 << 10, 16 << 10
	meanSmall                   = (smallestSmall + largestSmall) / 2
)

// small fills dir with n small files.
func (m *maker) small(dir string, n int) error {
	for folder := 0; n > 0; folder++ {
		sub := filepath.Join(dir, fmt.Sprintf("%02d", folder/20), fmt.Sprintf("%04d", folder))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		here := min(n, 100+m.random.IntN(401))
		for i := range here {
			size := int64(smallestSmall + m.random.IntN(largestSmall-smallestSmall))
			var err error
			if i%2 == 0 {
				m.words.plain = i%4 == 0
				err = m.create(filepath.Join(sub, fmt.Sprintf("item%04d.xml", i)), nil, size, m.words)
			} else {
				err = m.create(filepath.Join(sub, fmt.Sprintf("item%04d.dat", i)), nil, size, m.noise)
			}
			if err != nil {
				return err
			}
		}
		n -= here
	}
	return nil
}
