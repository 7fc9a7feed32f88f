package notes

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// parseHTML makes a document of the HTML of an old note: lines, lists, bold, italic,
// underlined, struck and links. Everything else is left out, its text stays.
func parseHTML(content string) Document {
	a := &assembler{}
	p := &htmlParser{out: a}
	z := html.NewTokenizer(strings.NewReader(content))
	for {
		switch z.Next() {
		case html.ErrorToken: // the end
			return a.done()
		case html.TextToken:
			p.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := atom.Lookup(name)
			var href string
			for more {
				var key, value []byte
				if key, value, more = z.TagAttr(); string(key) == "href" {
					href = short(value, maxAddress)
				}
			}
			p.start(tag, href)
		case html.EndTagToken:
			name, _ := z.TagName()
			p.end(atom.Lookup(name))
		}
	}
}

// htmlParser is where in the HTML we are.
type htmlParser struct {
	out    *assembler
	look   Look
	counts map[atom.Atom]int // of open tags that change the look
	links  []string
	lists  []Style
	style  Style
	hidden int  // within a style, script or title
	line   bool // something is in the line
}

var looks = map[atom.Atom]func(*Look, bool){
	atom.B: func(l *Look, on bool) { l.Bold = on }, atom.Strong: func(l *Look, on bool) { l.Bold = on },
	atom.I: func(l *Look, on bool) { l.Italic = on }, atom.Em: func(l *Look, on bool) { l.Italic = on },
	atom.U: func(l *Look, on bool) { l.Underline = on }, atom.S: func(l *Look, on bool) { l.Strike = on },
	atom.Strike: func(l *Look, on bool) { l.Strike = on }, atom.Del: func(l *Look, on bool) { l.Strike = on },
}

func (p *htmlParser) text(s string) {
	if p.hidden > 0 {
		return
	}
	s = strings.NewReplacer("\r", "", "\n", " ").Replace(s)
	if !p.line {
		s = strings.TrimLeft(s, " \t")
	}
	if s == "" {
		return
	}
	p.line = true
	p.out.add(s, p.span())
}

func (p *htmlParser) span() span {
	look := p.look
	if n := len(p.links); n > 0 {
		look.Link = p.links[n-1]
	}
	return span{styled: true, look: look, paragraph: Paragraph{Style: p.style, Indent: max(0, min(maxIndent, len(p.lists)-1))}}
}

// finish ends the line, if there is something in it.
func (p *htmlParser) finish() {
	if p.line {
		p.out.add("\n", p.span())
		p.line = false
	}
}

func (p *htmlParser) start(tag atom.Atom, href string) {
	if set, ok := looks[tag]; ok {
		if p.counts == nil {
			p.counts = map[atom.Atom]int{}
		}
		p.counts[tag]++
		set(&p.look, true)
		return
	}
	switch tag {
	case atom.Script, atom.Style, atom.Title:
		p.hidden++
	case atom.A:
		if len(p.links) < 100 {
			p.links = append(p.links, href)
		}
	case atom.Br:
		p.out.add("\n", p.span())
		p.line = false
	case atom.Ul, atom.Ol:
		p.finish()
		style := Dotted
		if tag == atom.Ol {
			style = Numbered
		}
		if len(p.lists) < 100 {
			p.lists = append(p.lists, style)
		}
	case atom.Li:
		p.finish()
		if n := len(p.lists); n > 0 {
			p.style = p.lists[n-1]
		}
	case atom.Div, atom.P, atom.Tr, atom.Blockquote, atom.Pre:
		p.finish()
	case atom.H1, atom.H2, atom.H3:
		p.finish()
		p.style = map[atom.Atom]Style{atom.H1: Title, atom.H2: Heading, atom.H3: Subheading}[tag]
	}
}

func (p *htmlParser) end(tag atom.Atom) {
	if set, ok := looks[tag]; ok {
		if p.counts[tag] > 0 {
			p.counts[tag]--
		}
		set(&p.look, p.counts[tag] > 0)
		return
	}
	switch tag {
	case atom.Script, atom.Style, atom.Title:
		p.hidden = max(0, p.hidden-1)
	case atom.A:
		if n := len(p.links); n > 0 {
			p.links = p.links[:n-1]
		}
	case atom.Ul, atom.Ol:
		p.finish()
		if n := len(p.lists); n > 0 {
			p.lists = p.lists[:n-1]
		}
		p.style = Body
	case atom.Li, atom.H1, atom.H2, atom.H3:
		p.finish()
		p.style = Body
	case atom.Div, atom.P, atom.Tr, atom.Blockquote, atom.Pre:
		p.finish()
	}
}
