package chunker

import "sync"

// Tables cost some 20 µs to make and are wanted for each file.
var (
	gearTables  tables[*gearTable]
	rabinTables tables[*rabinTable]
)

// tables keeps what was made from the last polynomials. They are secret, and so
// are the tables: neither is ever printed.
type tables[T any] struct {
	mu   sync.Mutex
	made map[uint64]T
}

// maxTables is how many repositories a process may have in hand before tables
// are made anew: 6 KiB each.
const maxTables = 256

func (c *tables[T]) get(polynomial uint64, make func() (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.made[polynomial]; ok {
		return t, nil
	}
	t, err := make()
	if err != nil {
		return t, err
	}
	if c.made == nil || len(c.made) >= maxTables {
		c.made = map[uint64]T{}
	}
	c.made[polynomial] = t
	return t, nil
}

func gearTableFor(polynomial uint64) *gearTable {
	t, _ := gearTables.get(polynomial, func() (*gearTable, error) { return newGearTable(polynomial), nil })
	return t
}

func rabinTableFor(polynomial uint64) (*rabinTable, error) {
	return rabinTables.get(polynomial, func() (*rabinTable, error) { return newRabinTable(polynomial) })
}
