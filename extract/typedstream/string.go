package typedstream

import (
	"strings"
	"unicode/utf8"
)

// String is an NSAttributedString or NSString.
type String struct {
	// Text is all of it, in UTF-8: what is none becomes U+FFFD. U+FFFC stands for a file,
	// U+FFFD also for what an app shows.
	Text string
	// Runs cover Text; nil where it has no attributes.
	Runs []Run
	// Damaged says that the text is whole, and that what follows it could not be read:
	// attributes are missing.
	Damaged bool
}

// Run is a stretch of text with the same attributes.
type Run struct {
	Text       string
	Attributes *Attributes // never nil; runs may share it
}

// Attributes are those of a stretch of a message's text that are understood.
type Attributes struct {
	Part                            int    // of the message, from 0; −1 where it does not say
	File                            string // GUID of the attachment for which U+FFFC stands
	FileName                        string // as its sender called it
	Mention                         string // address of the person who is named
	Link                            string
	Transcript                      string // what is said in an audio message
	Effect                          int64  // number of an animation; 0 is none
	Bold, Italic, Underline, Strike bool
}

// Plain tells whether the words of a stretch are no more than words.
func (a *Attributes) Plain() bool {
	return a.Mention == "" && a.Link == "" && a.Effect == 0 && !a.Bold && !a.Italic && !a.Underline && !a.Strike
}

// Names of attributes (content-schemas.md 3). Phones that know no sharper word for a
// link call it NSLink.
const (
	attrPart       = "__kIMMessagePartAttributeName"
	attrFile       = "__kIMFileTransferGUIDAttributeName"
	attrFileName   = "__kIMFilenameAttributeName"
	attrMention    = "__kIMMentionConfirmedMention"
	attrLink       = "__kIMLinkAttributeName"
	attrNSLink     = "NSLink"
	attrTranscript = "IMAudioTranscription"
	attrEffect     = "__kIMTextEffectAttributeName"
	attrBold       = "__kIMTextBoldAttributeName"
	attrItalic     = "__kIMTextItalicAttributeName"
	attrUnderline  = "__kIMTextUnderlineAttributeName"
	attrStrike     = "__kIMTextStrikethroughAttributeName"
)

// Decode reads an archived NSAttributedString or NSString, mutable or not. As long as
// its text can be found there is no error: see String.Damaged. Errors wrap
// ErrMalformed.
func Decode(data []byte) (*String, error) {
	s, _, err := decode(string(data))
	return s, err
}

// decode also gives the object that has the text, of a stream that is whole.
func decode(data string) (s *String, text *Object, err error) {
	r := &reader{data: data, strings: make([]string, 0, 16), objects: make([]any, 0, 24)}
	if err := r.start(); err != nil {
		if strings.Contains(data[:min(len(data), minStream+4)], signature) {
			if s, ok := search(data); ok {
				return &String{Text: valid(s), Damaged: true}, nil, nil
			}
		}
		return nil, nil, err
	}
	// The first string that ends is the text, even when what is around it never does.
	r.ended = func(o *Object) {
		if text == nil && o.Class.Is("NSString") {
			text = o
		}
	}
	values, err := r.group(nil, 0)
	if err == nil {
		if root, ok := values[0].(*Object); ok && root != nil {
			if s := attributed(root); s != nil {
				if r.at < len(data) {
					text = nil
				}
				return s, text, nil
			}
		}
		err = r.fault("no attributed string")
	}
	if t, ok := text.str(); ok {
		return &String{Text: valid(t), Damaged: true}, nil, nil
	}
	if t, ok := search(data); ok {
		return &String{Text: valid(t), Damaged: true}, nil, nil
	}
	return nil, nil, err
}

// Text gives the text of Decode.
func Text(data []byte) (string, error) {
	s, err := Decode(data)
	if err != nil {
		return "", err
	}
	return s.Text, nil
}

func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// str is the text of an NSString.
func (o *Object) str() (string, bool) {
	if o == nil || !o.Class.Is("NSString") || len(o.Values) == 0 {
		return "", false
	}
	s, ok := o.Values[0].(string)
	return s, ok
}

// attributed makes a String of an object; nil when it is none.
func attributed(o *Object) *String {
	if s, ok := o.str(); ok {
		return &String{Text: valid(s)}
	}
	if !o.Class.Is("NSAttributedString") || len(o.Values) == 0 {
		return nil
	}
	inner, ok := o.Values[0].(*Object)
	if !ok {
		return nil
	}
	text, ok := inner.str()
	if !ok {
		return nil
	}
	s := &String{Text: valid(text)}
	s.runs(text, o.Values[1:])
	return s
}

// runs reads pairs of a dictionary's number and a length in UTF-16 units, each followed
// by the dictionary where its number is new.
func (s *String) runs(text string, values []any) {
	var known []*Attributes
	for len(values) >= 2 {
		number, ok := values[0].(int64)
		length, ok2 := values[1].(int64)
		if !ok || !ok2 {
			s.Damaged = true
			return
		}
		values = values[2:]
		if len(values) > 0 {
			if dict, ok := values[0].(*Object); ok {
				known = append(known, attributes(dict))
				values = values[1:]
			}
		}
		if number < 1 || number > int64(len(known)) {
			s.Damaged = true
			return
		}
		n := units(text, length)
		s.Runs = append(s.Runs, Run{Text: valid(text[:n]), Attributes: known[number-1]})
		text = text[n:]
	}
	if text != "" { // what no run covers
		s.Runs = append(s.Runs, Run{Text: valid(text), Attributes: &Attributes{Part: -1}})
	}
}

// units gives how many bytes of UTF-8 make n units of UTF-16.
func units(text string, n int64) int {
	at := 0
	for n > 0 && at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		if n--; r > 0xffff {
			n--
		}
		at += size
	}
	return at
}

// attributes reads a dictionary.
func attributes(dict *Object) *Attributes {
	a := &Attributes{Part: -1}
	if dict == nil || !dict.Class.Is("NSDictionary") || len(dict.Values) == 0 {
		return a
	}
	pairs := dict.Values[1:]
	for ; len(pairs) >= 2; pairs = pairs[2:] {
		key, ok := pairs[0].(*Object)
		if !ok {
			continue
		}
		name, ok := key.str()
		value, ok2 := pairs[1].(*Object)
		if !ok || !ok2 || value == nil {
			continue
		}
		switch name {
		case attrPart:
			if n := value.number(); n >= 0 && n < 1<<20 {
				a.Part = int(n)
			}
		case attrFile:
			a.File = value.text()
		case attrFileName:
			a.FileName = value.text()
		case attrMention:
			a.Mention = value.text()
		case attrLink, attrNSLink:
			a.Link = value.text()
		case attrTranscript:
			a.Transcript = value.text()
		case attrEffect:
			a.Effect = value.number()
		case attrBold:
			a.Bold = value.number() != 0
		case attrItalic:
			a.Italic = value.number() != 0
		case attrUnderline:
			a.Underline = value.number() != 0
		case attrStrike:
			a.Strike = value.number() != 0
		}
	}
	return a
}

// text is that of a string, of an address (a flag whether it is relative, and the
// string), or of an attributed string; "" of anything else.
func (o *Object) text() string {
	if s, ok := o.str(); ok {
		return valid(s)
	}
	if !o.Class.Is("NSURL", "NSAttributedString") {
		return ""
	}
	for _, v := range o.Values {
		if inner, ok := v.(*Object); ok {
			if s, ok := inner.str(); ok {
				return valid(s)
			}
		}
	}
	return ""
}

// number is that of an NSNumber: its type, then its value.
func (o *Object) number() int64 {
	if !o.Class.Is("NSNumber", "NSValue") || len(o.Values) == 0 {
		return 0
	}
	switch n := o.Values[len(o.Values)-1].(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

// search finds the text in a stream that is no good: the bytes behind the first "+"
// behind the name of a string's class, which told 3000 of 3000 texts in one measurement
// (content-schemas.md 3).
func search(data string) (string, bool) {
	for _, class := range []string{"NSMutableString", "NSString"} {
		i := strings.Index(data, class)
		if i < 0 {
			continue
		}
		rest := data[i+len(class):]
		// The type "+" comes within a few bytes: behind versions and superclasses.
		plus := strings.IndexByte(rest[:min(len(rest), 64)], '+')
		if plus < 0 {
			continue
		}
		r := &reader{data: rest, at: plus + 1}
		if s, err := r.counted(); err == nil {
			return s, true
		}
	}
	return "", false
}
