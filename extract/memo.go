package extract

import "sync"

type memo struct {
	mu    sync.Mutex
	known bool
	value any
}

// Memo gives what find finds out about a source, and remembers it until the source is
// closed: for what takes long and is asked again by every page, such as the order of
// 100,000 photos. key begins with the kind. What is remembered must not be changed,
// and should be small: some bytes for each record. An error is not remembered. Who asks
// meanwhile waits.
func Memo[T any](s *Source, key string, find func() (T, error)) (T, error) {
	s.mu.Lock()
	if s.memos == nil {
		s.memos = map[string]*memo{}
	}
	m := s.memos[key]
	if m == nil {
		m = &memo{}
		s.memos[key] = m
	}
	s.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known {
		return m.value.(T), nil
	}
	v, err := find()
	if err == nil {
		m.value, m.known = v, true
	}
	return v, err
}
