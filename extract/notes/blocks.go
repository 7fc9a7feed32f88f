package notes

import "strings"

// blockKind is what a block is.
type blockKind string

const (
	blockText    blockKind = "p"
	blockTitle   blockKind = "h1"
	blockHeading blockKind = "h2"
	blockSub     blockKind = "h3"
	blockCode    blockKind = "pre"
	blockList    blockKind = "list"
	blockQuote   blockKind = "quote"
	blockPart    blockKind = "part" // an attachment that is no word
)

// block is a part of a document as pages and Markdown have it: lists in lists, lines of
// code together.
type block struct {
	Kind   blockKind
	Align  string
	Lines  [][]Run // of text: its lines; of headings one; of code all
	List   Style   // of a list
	Items  []item
	Blocks []block // of a quotation
	Part   *Attachment
}

// item is one of a list.
type item struct {
	Runs   []Run
	Done   bool
	Blocks []block // lists and attachments in it
}

var headings = map[Style]blockKind{Title: blockTitle, Heading: blockHeading, Subheading: blockSub}

// blocks arranges a document.
func blocks(d Document) []block {
	var list []block
	for len(d) > 0 {
		n := 1
		switch p := d[0]; {
		case p.Quote:
			for n < len(d) && d[n].Quote {
				n++
			}
			inner := make(Document, n)
			for i := range inner {
				inner[i] = d[i]
				inner[i].Quote = false
			}
			list = append(list, block{Kind: blockQuote, Blocks: blocks(inner)})
		case p.Style == Monospace:
			for n < len(d) && d[n].Style == Monospace && !d[n].Quote {
				n++
			}
			list = append(list, code(d[:n])...)
		case p.Style.List():
			for n < len(d) && d[n].Style.List() && !d[n].Quote {
				n++
			}
			list = append(list, lists(d[:n])...)
		default:
			list = addText(list, p)
		}
		d = d[n:]
	}
	return list
}

// addText adds a paragraph: to the text before if that goes on, and an empty line ends
// that.
func addText(list []block, p Paragraph) []block {
	kind, heading := headings[p.Style]
	if !heading {
		kind = blockText
	}
	for _, piece := range pieces(p.Runs) {
		last := len(list) - 1
		switch {
		case piece.part != nil:
			list = append(list, block{Kind: blockPart, Part: piece.part})
		case !heading && last >= 0 && list[last].Kind == blockText && list[last].Align == p.Align && len(list[last].Lines) > 0:
			list[last].Lines = append(list[last].Lines, piece.runs)
		default:
			list = append(list, block{Kind: kind, Align: p.Align, Lines: [][]Run{piece.runs}})
		}
	}
	if p.empty() && !heading && len(list) > 0 {
		list = append(list, block{Kind: blockText}) // what follows begins anew
	}
	return list
}

// piece is runs of a line, or an attachment between them.
type piece struct {
	runs []Run
	part *Attachment
}

// pieces cuts a line at its attachments that are no words.
func pieces(runs []Run) []piece {
	var list []piece
	var open []Run
	for _, r := range runs {
		if r.attachment == nil || r.attachment.Inline() {
			if len(open) == 0 && len(list) > 0 { // behind an attachment a line begins
				r.Text = strings.TrimLeft(r.Text, " ")
			}
			open = append(open, r)
			continue
		}
		if len(open) > 0 {
			list = append(list, piece{runs: open})
		}
		open = nil
		list = append(list, piece{part: r.attachment})
	}
	if len(open) > 0 {
		list = append(list, piece{runs: open})
	}
	return list
}

// code makes lines of monospace text one block; attachments stand between.
func code(d Document) []block {
	var list []block
	open := block{Kind: blockCode}
	for _, p := range d {
		line := []Run{}
		for _, piece := range pieces(p.Runs) {
			if piece.part == nil {
				line = append(line, piece.runs...)
				continue
			}
			if len(open.Lines) > 0 || len(line) > 0 {
				open.Lines = append(open.Lines, line)
				list = append(list, open)
			}
			open, line = block{Kind: blockCode}, nil
			list = append(list, block{Kind: blockPart, Part: piece.part})
		}
		if line != nil {
			open.Lines = append(open.Lines, line)
		}
	}
	if len(open.Lines) > 0 {
		list = append(list, open)
	}
	return list
}

// lists puts items into lists, and lists into items, by how far they are indented.
func lists(d Document) []block {
	var list []block
	base := d[0].Indent
	for i := 0; i < len(d); {
		p := d[i]
		if p.Indent > base && len(list) > 0 {
			n := i
			for n < len(d) && d[n].Indent > base {
				n++
			}
			items := list[len(list)-1].Items
			items[len(items)-1].Blocks = append(items[len(items)-1].Blocks, lists(d[i:n])...)
			i = n
			continue
		}
		base = min(base, p.Indent)
		if len(list) == 0 || list[len(list)-1].List != p.Style {
			list = append(list, block{Kind: blockList, List: p.Style})
		}
		last := &list[len(list)-1]
		last.Items = append(last.Items, listItem(p))
		i++
	}
	return list
}

func listItem(p Paragraph) item {
	it := item{Done: p.Done}
	for i, piece := range pieces(p.Runs) {
		switch {
		case piece.part != nil:
			it.Blocks = append(it.Blocks, block{Kind: blockPart, Part: piece.part})
		case i == 0:
			it.Runs = piece.runs
		default:
			it.Blocks = append(it.Blocks, block{Kind: blockText, Lines: [][]Run{piece.runs}})
		}
	}
	return it
}
