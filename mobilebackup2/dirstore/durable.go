package dirstore

// settle makes everything written and renamed so far durable.
func (s *Store) settle() error {
	if err := s.ahead.wait(s); err != nil {
		return err
	}
	if !s.unsaved && !s.renamed {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.unsaved, s.renamed = false, false
	return s.settled()
}
