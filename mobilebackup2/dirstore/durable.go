package dirstore

import "errors"

// settle makes everything written and renamed so far durable.
func (s *Store) settle() error {
	if s.lost != nil {
		return s.lost
	}
	if err := s.ahead.wait(s); err != nil {
		return err
	}
	if !s.unsaved && !s.renamed {
		return nil
	}
	if err := s.flush(); err != nil {
		return s.lose(err)
	}
	s.unsaved, s.renamed = false, false
	return s.settled()
}

// lose notes that a flush has failed. A system reports that once and then takes
// the data for written, so a second try would prove nothing: this run promises
// nothing any more, and the next one drops what is in doubt as after a power
// failure.
func (s *Store) lose(err error) error {
	s.lost = err
	if s.lock == nil || s.lock.shared || s.lock.Unsynced.IsZero() {
		return err
	}
	s.lock.Boot = "lost"
	return errors.Join(err, s.lock.write())
}
