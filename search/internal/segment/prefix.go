package segment

// Words with many documents are read as far as they are asked for: the first results
// of a letter or two are not to wait for all of them.
const (
	manyDocs     = 1024
	prefixWindow = 32 << 10 // documents
	prefixRead   = 16 << 10 // bytes
)

// Prefix lists the documents with a word that begins with prefix.
func (r *Reader) Prefix(prefix string) (List, error) {
	terms, err := r.prefix(prefix)
	switch {
	case err != nil:
		return nil, err
	case len(terms) == 0:
		return none{}, nil
	case len(terms) == 1:
		return r.postingsOf(terms[0]), nil
	}
	p := &prefixList{set: NewBits(r.docs)}
	for i := 0; i < len(terms); {
		if terms[i].docs > manyDocs {
			t := terms[i]
			s := &stream{src: r.src, at: t.at, end: t.at + t.size, longest: prefixRead}
			p.big = append(p.big, postings{stream: s, left: t.docs, docs: r.docs})
			i++
			continue
		}
		n := i // of neighbours that are read through together
		for n < len(terms) && terms[n].docs <= manyDocs {
			n++
		}
		if err := r.collect(terms[i:n], p.set); err != nil {
			return nil, err
		}
		i = n
	}
	if len(p.big) == 0 {
		p.upTo = uint32(r.docs)
	}
	return p, nil
}

// collect puts all documents of words that follow each other into a set.
func (r *Reader) collect(terms []termAt, set *Bits) error {
	last := terms[len(terms)-1]
	all := &stream{src: r.src, at: terms[0].at, end: last.at + last.size}
	for _, t := range terms {
		p := postings{stream: all, left: t.docs, docs: r.docs}
		for p.left > 0 {
			if err := p.step(); err != nil {
				return err
			}
			set.Set(p.doc)
		}
	}
	return nil
}

// prefixList is the documents of many words: in set are all of words with few, and of
// the others those before upTo.
type prefixList struct {
	set  *Bits
	big  []postings
	upTo uint32
}

func (p *prefixList) Next(at uint32) (uint32, bool, error) {
	end := uint32(p.set.Len())
	for {
		doc, ok := p.set.Next(at)
		if ok && doc < p.upTo {
			return doc, true, nil
		}
		if p.upTo >= end {
			return doc, ok, nil
		}
		from := max(at, p.upTo)
		p.upTo = min(from+prefixWindow, end)
		for i := range p.big {
			b := &p.big[i]
			doc, ok, err := b.Next(from)
			for ; err == nil && ok && doc < p.upTo; doc, ok, err = b.Next(doc + 1) {
				p.set.Set(doc)
			}
			if err != nil {
				return 0, false, err
			}
		}
	}
}
