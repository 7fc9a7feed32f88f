package notes

import "fmt"

// What a table may have.
const (
	maxObjects = 500_000
	maxLines   = 20_000    // rows, or columns
	maxCells   = 1_000_000 // rows × columns
	maxItems   = 1_000     // of a gallery
	maxSteps   = 4_000_000 // pairs of dictionaries
)

// pool is mergeable data: objects that refer to each other by their number. It holds
// bytes of the message; what is asked for is decoded then.
type pool struct {
	objects     [][]byte
	keys, types []string
	uuids       [][]byte

	identities map[int]string // of objects, as far as they were asked for
	steps      int            // that were taken; objects may be referred to from many places
	bytes      int            // of cells that were decoded
}

// value is a number, a string or an object of a pool.
type value struct {
	number uint64
	text   string
	object int // −1 for none
}

func parsePool(data []byte) (*pool, error) {
	raw, err := inflate(data)
	if err != nil {
		return nil, err
	}
	return decodePool(raw)
}

// decodePool reads mergeable data that is not compressed.
func decodePool(raw []byte) (*pool, error) {
	body, err := dig(raw, 2, 3)
	if err != nil {
		return nil, err
	}
	p := &pool{}
	for f, err := range fields(body) {
		if err != nil {
			return nil, err
		}
		if !f.message() {
			continue
		}
		if len(p.objects)+len(p.keys)+len(p.types)+len(p.uuids) > maxObjects {
			return nil, fmt.Errorf("%w: more than %d objects", errMalformed, maxObjects)
		}
		switch f.num {
		case 3:
			p.objects = append(p.objects, f.b)
		case 4:
			p.keys = append(p.keys, short(f.b, maxName))
		case 5:
			p.types = append(p.types, short(f.b, maxName))
		case 6:
			p.uuids = append(p.uuids, f.b)
		}
	}
	return p, nil
}

func parseValue(b []byte) (value, error) {
	v := value{object: -1}
	for f, err := range fields(b) {
		switch {
		case err != nil:
			return v, err
		case f.num == 2 && !f.message():
			v.number = f.n
		case f.num == 4 && f.message():
			v.text = short(f.b, maxName)
		case f.num == 6 && !f.message():
			v.object = int(min(f.n, maxObjects)) //nolint:gosec // bounded
		}
	}
	return v, nil
}

// object gives the object that a value refers to.
func (p *pool) object(v value) ([]byte, error) {
	if v.object < 0 || v.object >= len(p.objects) {
		return nil, fmt.Errorf("%w: no object %d", errMalformed, v.object)
	}
	return p.objects[v.object], nil
}

// members gives the type of a map and its entries by their names; ok is false of an
// object that is none.
func (p *pool) members(object []byte) (kind string, entries map[string]value, ok bool, err error) {
	var body []byte
	for f, err := range fields(object) {
		if err != nil {
			return "", nil, false, err
		}
		if f.num == 13 && f.message() {
			body, ok = f.b, true
		}
	}
	if !ok {
		return "", nil, false, nil
	}
	entries = map[string]value{}
	for f, err := range fields(body) {
		switch {
		case err != nil:
			return "", nil, false, err
		case f.num == 1 && !f.message() && f.n < uint64(len(p.types)):
			kind = p.types[f.n]
		case f.num == 3 && f.message():
			key, v, err := p.entry(f.b)
			if err != nil {
				return "", nil, false, err
			}
			if key < uint64(len(p.keys)) {
				entries[p.keys[key]] = v
			}
		}
	}
	return kind, entries, true, nil
}

func (p *pool) entry(b []byte) (key uint64, v value, err error) {
	v.object = -1
	for f, err := range fields(b) {
		switch {
		case err != nil:
			return 0, v, err
		case f.num == 1 && !f.message():
			key = f.n
		case f.num == 2 && f.message():
			if v, err = parseValue(f.b); err != nil {
				return 0, v, err
			}
		}
	}
	return key, v, nil
}

// dictionary calls each for the pairs of a dictionary message.
func (p *pool) dictionary(b []byte, each func(key, v value) error) error {
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		if f.num != 1 || !f.message() {
			continue
		}
		if p.steps++; p.steps > maxSteps {
			return fmt.Errorf("%w: more than %d entries", errMalformed, maxSteps)
		}
		key, v := value{object: -1}, value{object: -1}
		for f, err := range fields(f.b) {
			if err == nil && f.message() {
				switch f.num {
				case 1:
					key, err = parseValue(f.b)
				case 2:
					v, err = parseValue(f.b)
				}
			}
			if err != nil {
				return err
			}
		}
		if err := each(key, v); err != nil {
			return err
		}
	}
	return nil
}

// identity gives the UUID for which an object stands.
func (p *pool) identity(v value) (string, error) {
	if id, ok := p.identities[v.object]; ok {
		return id, nil
	}
	o, err := p.object(v)
	if err != nil {
		return "", err
	}
	_, entries, ok, err := p.members(o)
	if err != nil {
		return "", err
	}
	index, there := entries["UUIDIndex"]
	if !there && len(entries) == 1 { // whatever its key is called
		for _, index = range entries {
			there = true
		}
	}
	if !ok || !there || index.number >= uint64(len(p.uuids)) {
		return "", fmt.Errorf("%w: object %d is no identity", errMalformed, v.object)
	}
	id := string(p.uuids[index.number])
	if p.identities == nil {
		p.identities = map[int]string{}
	}
	p.identities[v.object] = id
	return id, nil
}

// axis gives the places of rows or columns by their identities, and how many there are.
func (p *pool) axis(v value) (map[string]int, int, error) {
	o, err := p.object(v)
	if err != nil {
		return nil, 0, err
	}
	ordering, err := dig(o, 16, 1)
	if err != nil {
		return nil, 0, err
	}
	array, err := dig(ordering, 1)
	if err != nil {
		return nil, 0, err
	}
	places, n := map[string]int{}, 0
	for f, err := range fields(array) {
		if err != nil {
			return nil, 0, err
		}
		if f.num != 2 || !f.message() {
			continue
		}
		id, err := dig(f.b, 2)
		if err != nil {
			return nil, 0, err
		}
		if n >= maxLines {
			return nil, 0, fmt.Errorf("%w: more than %d rows or columns", errMalformed, maxLines)
		}
		places[string(id)] = n
		n++
	}
	return places, n, p.aliases(ordering, places)
}

// aliases adds the identities by which cells call rows or columns.
func (p *pool) aliases(ordering []byte, places map[string]int) error {
	names, err := dig(ordering, 2)
	if err != nil {
		return nil // none: cells use those of the array
	}
	return p.dictionary(names, func(key, v value) error {
		from, err := p.identity(key)
		if err != nil {
			return err
		}
		to, err := p.identity(v)
		if err != nil {
			return err
		}
		if place, ok := places[from]; ok {
			places[to] = place
		}
		return nil
	})
}

// parseTable reads the mergeable data of a table.
func parseTable(data []byte) (*Table, error) {
	p, err := parsePool(data)
	if err != nil {
		return nil, err
	}
	return p.findTable()
}

// findTable gives the table that a pool has.
func (p *pool) findTable() (*Table, error) {
	for _, o := range p.objects {
		kind, entries, ok, err := p.members(o)
		if err != nil {
			return nil, err
		}
		if ok && (kind == "com.apple.notes.ICTable" || kind == "com.apple.notes.CRTable") {
			return p.table(entries)
		}
	}
	return nil, fmt.Errorf("%w: no table in it", errMalformed)
}

func (p *pool) table(entries map[string]value) (*Table, error) {
	rows, height, err := p.axis(entries["crRows"])
	if err != nil {
		return nil, fmt.Errorf("rows: %w", err)
	}
	columns, width, err := p.axis(entries["crColumns"])
	if err != nil {
		return nil, fmt.Errorf("columns: %w", err)
	}
	if width*height > maxCells {
		return nil, fmt.Errorf("%w: %d × %d cells", errMalformed, width, height)
	}
	t := &Table{Rows: make([][]Document, height), RightToLeft: p.rightToLeft(entries)}
	for i := range t.Rows {
		t.Rows[i] = make([]Document, width)
	}
	v, ok := entries["cellColumns"]
	if !ok {
		return t, nil
	}
	return t, p.cells(v, func(key value, column []byte) error {
		x, err := p.place(key, columns)
		if err != nil {
			return err
		}
		return p.dictionary(column, func(key, v value) error {
			y, err := p.place(key, rows)
			if err != nil {
				return err
			}
			if x < 0 || y < 0 {
				return nil // of a row or column that was deleted
			}
			t.Rows[y][x], err = p.cell(v)
			return err
		})
	})
}

// cells gives the columns of the dictionary of cells, as dictionaries.
func (p *pool) cells(v value, each func(key value, column []byte) error) error {
	o, err := p.object(v)
	if err != nil {
		return err
	}
	outer, err := dig(o, 6)
	if err != nil {
		return err
	}
	return p.dictionary(outer, func(key, v value) error {
		o, err := p.object(v)
		if err != nil {
			return err
		}
		column, err := dig(o, 6)
		if err != nil {
			return err
		}
		return each(key, column)
	})
}

// place is where a row or column is, −1 for nowhere.
func (p *pool) place(key value, places map[string]int) (int, error) {
	id, err := p.identity(key)
	if err != nil {
		return 0, err
	}
	if n, ok := places[id]; ok {
		return n, nil
	}
	return -1, nil
}

func (p *pool) cell(v value) (Document, error) {
	o, err := p.object(v)
	if err != nil {
		return nil, err
	}
	for f, err := range fields(o) {
		if err != nil {
			return nil, err
		}
		if f.num == 10 && f.message() {
			if p.bytes += len(f.b); p.bytes > maxInflated {
				return nil, fmt.Errorf("%w: cells of more than %d bytes", errMalformed, maxInflated)
			}
			return parseNote(f.b)
		}
	}
	return nil, nil
}

// rightToLeft follows the register of the direction to its string.
func (p *pool) rightToLeft(entries map[string]value) bool {
	v, ok := entries["crTableColumnDirection"]
	for range 4 { // register, string object, string
		if !ok || v.text != "" {
			break
		}
		o, err := p.object(v)
		if err != nil {
			return false
		}
		if v, ok = p.inside(o); !ok {
			return false
		}
	}
	return v.text == "CRTableColumnDirectionRightToLeft"
}

// inside gives the value of a register, or the only one of a map.
func (p *pool) inside(object []byte) (value, bool) {
	if b, err := dig(object, 1, 2); err == nil {
		v, err := parseValue(b)
		return v, err == nil
	}
	_, entries, ok, err := p.members(object)
	if !ok || err != nil {
		return value{object: -1}, false
	}
	v, ok := entries["self"]
	return v, ok
}

// parseGallery gives the identifiers of what is in a gallery, in their order.
func parseGallery(data []byte) ([]string, error) {
	p, err := parsePool(data)
	if err != nil {
		return nil, err
	}
	return p.items(), nil
}

// items gives the identifiers that the strings of a pool are.
func (p *pool) items() []string {
	var ids []string
	seen := map[string]bool{}
	for _, o := range p.objects {
		for _, id := range mapStrings(o) {
			if len(id) >= 16 && !seen[id] && len(ids) < maxItems {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// mapStrings gives the strings in the entries of a map.
func mapStrings(object []byte) []string {
	var list []string
	for f, err := range fields(object) {
		if err != nil || f.num != 13 || !f.message() {
			continue
		}
		for f, err := range fields(f.b) {
			if err != nil || f.num != 3 || !f.message() {
				continue
			}
			if b, err := dig(f.b, 2); err == nil {
				if v, err := parseValue(b); err == nil && v.text != "" {
					list = append(list, v.text)
				}
			}
		}
	}
	return list
}
