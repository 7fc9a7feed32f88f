package browsertest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/keepsake-backup/keepsake/server/fake"
)

const (
	crawlers = 8    // at once
	crawlMax = 4000 // addresses: more means that links breed
	// enough of pages of one shape (the same but for which version, and the values of the
	// query) are looked at: the hundredth photo is like the first.
	enough = 3
)

// crawl is a walk over all that somebody can click on.
type crawl struct {
	base   string
	client *http.Client

	mu     sync.Mutex
	found  map[string]*visit // by address without fragment
	next   []*visit
	shapes map[string]int
	broken map[string]bool

	began               time.Time
	pages, files, forms atomic.Int64
}

// visit is an address, and what was there.
type visit struct {
	path, from string // from is the page that leads to it
	apart      bool   // it opens beside the page, which stays
	ids        map[string]bool
	fragments  []string // wanted by others
}

// TestEverythingCanBeClicked: every link leads to a page that is there, with a title and
// a way on; every form to something that takes it; nothing that can be pressed does nothing.
func TestEverythingCanBeClicked(t *testing.T) {
	family := newHouse(t, fake.Options{Still: true})
	nobody := newHouse(t, fake.Options{Empty: true, Still: true})
	away := newHouse(t, fake.Options{PlaceErr: "the disk is not plugged in", Still: true})
	for _, tt := range []struct {
		name, login string
		h           *house
		least       int64 // pages: fewer mean that the walk went nowhere
		start       []string
	}{
		{"admin", "anna", family, 200, []string{"/", "/setup/phone", "/setup/done", "/offline"}},
		{"member", "ben", family, 80, []string{"/"}},
		{"child", "david", family, 40, []string{"/"}},
		{"stranger", "", family, 1, []string{"/", "/signin?error=wrong"}},
		{"first of all", "", nobody, 1, []string{"/"}},
		{"place is away", "anna", away, 40, []string{"/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCrawl(tt.h.base, tt.h.client(t, tt.login))
			c.run(tt.start)
			c.report(t, tt.least)
		})
	}
}

func newCrawl(base string, client *http.Client) *crawl {
	return &crawl{base: base, client: client, found: map[string]*visit{}, shapes: map[string]int{}, broken: map[string]bool{}}
}

// report fails t with what is broken, and when there were fewer pages than least.
func (c *crawl) report(t *testing.T, least int64) {
	t.Helper()
	for _, s := range slices.Sorted(maps.Keys(c.broken)) {
		t.Error(s)
	}
	if c.pages.Load() < least {
		t.Errorf("%d pages only", c.pages.Load())
	}
	t.Logf("%d pages, %d files, %d forms in %v", c.pages.Load(), c.files.Load(), c.forms.Load(), time.Since(c.began).Round(time.Millisecond))
}

// run walks from start until there is nothing new.
func (c *crawl) run(start []string) {
	c.began = time.Now()
	for _, path := range start {
		c.add(path, "/", false)
	}
	for {
		c.mu.Lock()
		now := c.next
		c.next = nil
		c.mu.Unlock()
		if len(now) == 0 {
			break
		}
		var wg sync.WaitGroup
		queue := make(chan *visit)
		for range crawlers {
			wg.Go(func() {
				for v := range queue {
					c.look(v)
				}
			})
		}
		for _, v := range now {
			queue <- v
		}
		close(queue)
		wg.Wait()
	}
	for _, v := range c.found {
		for _, f := range v.fragments {
			if v.ids != nil && !v.ids[f] {
				c.fault("%s has no #%s", v.path, f)
			}
		}
	}
}

func (c *crawl) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken[fmt.Sprintf(format, args...)] = true
}

// add puts what a page leads to among those to look at.
func (c *crawl) add(link, from string, apart bool) {
	base, err := url.Parse(from)
	if err != nil {
		base = &url.URL{}
	}
	u, err := base.Parse(link)
	switch {
	case err != nil:
		c.fault("%s: a link to %q", from, link)
		return
	case u.Scheme == "mailto" || u.Scheme == "tel":
		return
	case u.Host != "":
		c.fault("%s: a link to another host: %q", from, link)
		return
	}
	fragment := u.Fragment
	u.Fragment = ""
	path := u.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.found[path]
	if v == nil {
		s := shape(u)
		if c.shapes[s]++; c.shapes[s] > enough {
			return
		}
		v = &visit{path: path, from: from, apart: apart}
		if len(c.found) >= crawlMax {
			c.broken["there is no end of links"] = true
			return
		}
		c.found[path] = v
		c.next = append(c.next, v)
	}
	if fragment != "" {
		v.fragments = append(v.fragments, fragment)
	}
}

// shape is an address without what tells it from others of its sort.
func shape(u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	for i, p := range parts {
		if i > 0 && (parts[i-1] == "versions" || parts[i-1] == "activity") && p != "" {
			parts[i] = "*"
		}
	}
	names := slices.Sorted(maps.Keys(u.Query()))
	return strings.Join(parts, "/") + "?" + strings.Join(names, "&")
}

// look gets an address, and follows a page.
func (c *crawl) look(v *visit) {
	r, err := c.client.Get(c.base + v.path)
	if err != nil {
		c.fault("%s (from %s): %v", v.path, v.from, err)
		return
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	// What cannot be read of a backup is a page that says so.
	unreadable := r.StatusCode == http.StatusConflict && strings.HasSuffix(v.path, "/content/"+fake.Unreadable)
	if err != nil || r.StatusCode != http.StatusOK && !unreadable {
		c.fault("%s (from %s): %s, %v", v.path, v.from, r.Status, err)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || r.Header.Get("Content-Disposition") != "" {
		if c.files.Add(1); len(body) == 0 {
			c.fault("%s (from %s): is empty", v.path, v.from)
		}
		return
	}
	if c.pages.Add(1); len(body) > limit {
		c.fault("%s (from %s): is larger than %d bytes", v.path, v.from, limit)
	}
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		c.fault("%s: %v", v.path, err)
		return
	}
	p := pageRead{crawl: c, path: v.path, ids: map[string]bool{}}
	p.read(doc, nil)
	p.judge(v.apart)
	v.ids = p.ids
}

// pageRead is a page while it is read.
type pageRead struct {
	*crawl
	path, title string
	ids         map[string]bool
	wanted      []string // IDs that other parts of it name
	ways        int      // to other pages
}

func (p *pageRead) say(format string, args ...any) {
	p.fault("%s: "+format, append([]any{p.path}, args...)...)
}

// read reads an element and those in it; form is the one that it is in.
func (p *pageRead) read(n, form *html.Node) {
	if n.Type == html.ElementNode {
		p.element(n, form)
		if n.Data == "form" {
			form = n
		}
	}
	for child := range n.ChildNodes() {
		p.read(child, form)
	}
}

func (p *pageRead) element(n, form *html.Node) {
	at := attributes(n)
	if id := at["id"]; id != "" {
		if p.ids[id] {
			p.say("two of #%s", id)
		}
		p.ids[id] = true
	}
	for _, name := range []string{"for", "form", "aria-labelledby", "aria-describedby", "aria-controls", "list"} {
		p.wanted = append(p.wanted, strings.Fields(at[name])...)
	}
	switch n.Data {
	case "title":
		if n.Parent.Data == "head" {
			p.title = text(n)
		}
	case "a":
		href, ok := at["href"]
		if !ok || href == "" {
			p.say("a link that leads nowhere: %q", text(n))
			return
		}
		if !strings.HasPrefix(href, "#") {
			p.ways++
		}
		p.add(href, p.path, at["target"] == "_blank")
	case "link", "use":
		p.add(at["href"], p.path, true)
	case "img", "script", "source", "video", "audio":
		if at["src"] != "" {
			p.add(at["src"], p.path, true)
		}
	case "form":
		p.form(n, at)
	case "button":
		_, script := at["data-copy"]
		if form == nil && at["form"] == "" && !script {
			p.say("a button that does nothing: %q", text(n))
		}
		if strings.TrimSpace(text(n)) == "" && at["aria-label"] == "" {
			p.say("a button without words")
		}
	}
}

// form holds that what a form is sent to takes it; one that only asks is sent.
func (p *pageRead) form(n *html.Node, at map[string]string) {
	p.forms.Add(1)
	p.ways++
	action := cmp.Or(at["action"], p.path)
	if ceremony := at["data-passkey"]; ceremony != "" { // the script sends it
		action = "/passkeys/" + ceremony + "/begin"
	}
	if !strings.EqualFold(at["method"], "post") {
		values := url.Values{}
		fields(n, values)
		p.add(action+"?"+values.Encode(), p.path, false)
		return
	}
	// What is no form at all is refused before anything is done, but only where
	// something takes forms.
	if r, err := p.client.Post(p.base+action, "text/plain", strings.NewReader("no form")); err != nil {
		p.say("form to %s: %v", action, err)
	} else if r.Body.Close(); r.StatusCode != http.StatusUnsupportedMediaType {
		p.say("form to %s: %s", action, r.Status)
	}
}

// fields are what a form sends when nobody has changed it; for what can be looked for,
// a word.
func fields(n *html.Node, values url.Values) {
	at := attributes(n)
	_, checked := at["checked"]
	switch name := at["name"]; {
	case name == "":
	case n.Data == "select":
		for o := range n.Descendants() {
			a := attributes(o)
			if _, selected := a["selected"]; o.Data == "option" && (selected || !values.Has(name)) {
				values.Set(name, a["value"])
			}
		}
	case n.Data == "input" && at["type"] == "search" && at["value"] == "":
		values.Set(name, "cake")
	case n.Data == "input" && (at["type"] == "checkbox" || at["type"] == "radio") && !checked:
	case n.Data == "input":
		values.Set(name, at["value"])
	}
	for child := range n.ChildNodes() {
		fields(child, values)
	}
}

// judge says what the page as a whole lacks.
func (p *pageRead) judge(apart bool) {
	if before, _, _ := strings.Cut(p.title, " – "); strings.TrimSpace(before) == "" {
		p.say("no title: %q", p.title)
	}
	if p.ways == 0 && !apart {
		p.say("no way on, and none back")
	}
	for _, id := range p.wanted {
		if !p.ids[id] {
			p.say("names #%s, which is not there", id)
		}
	}
}

func attributes(n *html.Node) map[string]string {
	at := map[string]string{}
	for _, a := range n.Attr {
		at[a.Key] = a.Val
	}
	return at
}

// text is all that is written in an element.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// A walk that finds nothing wrong has to be one that would.
func TestTheWalkFinds(t *testing.T) {
	mux := http.NewServeMux()
	page := func(pattern, head, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, "<!doctype html><html><head>%s</head><body>%s</body></html>", head, body)
		})
	}
	page("GET /{$}", "<title>Home – Test</title>", `<a href="/gone">a</a> <a href="/end">b</a> <a href="/there#part">c</a> <a>d</a> <a href="https://elsewhere.example/">e</a> <button>f</button>
		<form method="post" action="/nobody"><button>g</button></form> <form action="/asks"><input type="search" name="q"><button>h</button></form> <label for="i">i</label> <img src="/picture.png" alt="">`)
	page("GET /there", "<title>There – Test</title>", `<p id="whole">a <a href="/">back</a></p>`)
	page("GET /end", "", "the end")
	s := httptest.NewServer(mux)
	defer s.Close()
	c := newCrawl(s.URL, s.Client())
	c.run([]string{"/"})
	for _, want := range []string{"/gone (from /): 404", "/end: no title", "/end: no way on", "/there has no #part", `leads nowhere: "d"`, "another host", `does nothing: "f"`, "form to /nobody: 404", "/asks?q=cake (from /): 404", "names #i", "/picture.png (from /): 404"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(c.broken)), func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("not found: %s", want)
		}
	}
	if len(c.broken) != 11 {
		t.Errorf("found: %q", slices.Sorted(maps.Keys(c.broken)))
	}
}
