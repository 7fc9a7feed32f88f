package index

// Set is a set of numbers of entries (or of packs), one bit each. The zero value
// is empty. It is not safe for concurrent use.
type Set struct {
	words []uint64
	len   int
}

// Add puts a number in and tells whether it was not in yet.
func (s *Set) Add(n uint32) bool {
	word, bit := int(n/64), uint64(1)<<(n%64)
	if word >= len(s.words) {
		s.words = append(s.words, make([]uint64, word+1-len(s.words))...)
	}
	if s.words[word]&bit != 0 {
		return false
	}
	s.words[word] |= bit
	s.len++
	return true
}

// Has tells whether a number is in.
func (s *Set) Has(n uint32) bool {
	word := int(n / 64)
	return word < len(s.words) && s.words[word]>>(n%64)&1 != 0
}

// Len is how many numbers are in.
func (s *Set) Len() int { return s.len }

// Clear takes all numbers out and keeps the memory.
func (s *Set) Clear() {
	clear(s.words)
	s.len = 0
}
