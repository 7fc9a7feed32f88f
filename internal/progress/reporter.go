package progress

// Reporter is told what a piece of work is doing.
type Reporter interface {
	// Phase begins a part of the work. name is a constant word for programs,
	// text says the same to people. The counters of the last phase are gone.
	// Empty text ends the last phase without a new one: call it before asking
	// a question.
	Phase(name, text string)
	// Update replaces the counters of the phase.
	Update(c Counters)
	// Say passes a sentence on, such as a request to the phone's owner.
	Say(kind Kind, text string)
	// Close takes the display away. Nothing may be called afterwards.
	Close()
}

// Counters say how far a phase is. A zero field is unknown or not counted.
type Counters struct {
	Files, FilesTotal int64
	Bytes, BytesTotal int64
	Fraction          float64 // done, 0 to 1, when something better than Bytes/BytesTotal knows
	Current           string  // what is being worked on
}

// fraction is the best guess of what is done, and whether there is one.
func (c Counters) fraction() (float64, bool) {
	f := c.Fraction
	switch {
	case f > 0:
	case c.BytesTotal > 0:
		f = float64(c.Bytes) / float64(c.BytesTotal)
	case c.FilesTotal > 0:
		f = float64(c.Files) / float64(c.FilesTotal)
	default:
		return 0, false
	}
	return min(max(f, 0), 1), true
}

// Kind tells how much a sentence matters.
type Kind string

// The kinds of sentences.
const (
	Action Kind = "action"  // somebody must do something now
	Notice Kind = "notice"  // good to know
	Warn   Kind = "warning" // not as it should be; the work goes on
	Detail Kind = "detail"  // for those who asked to see more
)
