package extract

import "errors"

// Page applies the Limit and Skip of a query to records that a reader gives one by
// one, for readers whose SQL does not.
type Page struct {
	Query
	given int
}

// Emit passes r on to out unless it is skipped; [ErrStop] after the last one.
func (p *Page) Emit(out Emitter, r Record) error {
	if p.Skip > 0 {
		p.Skip--
		return nil
	}
	if err := out.Emit(r); err != nil {
		return err
	}
	if p.given++; p.Limit > 0 && p.given >= p.Limit {
		return ErrStop
	}
	return nil
}

// Done turns ErrStop into no error, at the end of Read.
func Done(err error) error {
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}
