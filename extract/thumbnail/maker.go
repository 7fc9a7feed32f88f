package thumbnail

// Maker makes small pictures. It bounds how many are made at once.
type Maker struct{}

// New makes a Maker.
func New() *Maker { return &Maker{} }
