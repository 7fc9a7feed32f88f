package server_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// perPattern is how many addresses of one pattern and one set of parameters are clicked.
const perPattern = 6

// TestEverythingCanBeClicked follows every link and every form that asks, from the first
// page on: each answers with a page that has a title and a way back, each form that
// changes something leads to a route, and no page is out of reach.
func TestEverythingCanBeClicked(t *testing.T) {
	h := newHouse(t)
	clicked := map[string]bool{}
	for account, name := range map[int]string{1: "anna", 2: "ben"} {
		c := &clicker{t: t, who: h.member(account), name: name, routes: http.NewServeMux(), times: map[string]int{}, seen: map[string]bool{}}
		for _, pattern := range h.inside.Routes {
			c.routes.Handle(pattern, http.NotFoundHandler())
		}
		c.click("", "/")
		for len(c.next) > 0 {
			from := c.next[0]
			c.next = c.next[1:]
			c.look(from)
		}
		t.Logf("%s: %d addresses", name, len(c.seen))
		maps.Copy(clicked, c.reached)
	}
	// They are reached without a link, or before anybody is signed in.
	elsewhere := []string{"GET /events", "GET /healthz", "GET /metrics", "GET /offline", "GET /signin", "GET /signal/{token}"}
	for _, pattern := range h.inside.Routes {
		if strings.HasPrefix(pattern, "GET /") && !clicked[pattern] && !strings.HasPrefix(pattern, "GET /api/") && !strings.HasPrefix(pattern, "GET /setup") &&
			!slices.Contains(h.inside.Assets, pattern) && !slices.Contains(elsewhere, pattern) {
			t.Errorf("no click leads to %s", pattern)
		}
	}
}

// clicker is somebody who tries everything out.
type clicker struct {
	t       *testing.T
	who     *browser
	name    string
	routes  *http.ServeMux
	next    []string       // pages to be looked at
	times   map[string]int // how often an address of this shape was clicked
	seen    map[string]bool
	reached map[string]bool // patterns
}

// pattern is the route of an address; "/" and "" are none.
func (c *clicker) pattern(method string, u *url.URL) string {
	_, pattern := c.routes.Handler(&http.Request{Method: method, URL: u, Host: "localhost"})
	if pattern == "GET /" || pattern == "/api/" {
		return ""
	}
	return pattern
}

// click notes an address that stands on the page from.
func (c *clicker) click(from, to string) {
	base, err := url.Parse(from)
	if err != nil {
		c.t.Fatal(err)
	}
	u, err := base.Parse(to)
	if err != nil {
		c.t.Errorf("%s: on %s: %v", c.name, from, err)
		return
	}
	if u.Host != "" {
		c.t.Errorf("%s: on %s: %s leads elsewhere", c.name, from, to)
		return
	}
	u.Fragment = ""
	pattern := c.pattern(http.MethodGet, u)
	if pattern == "" || pattern == "/" {
		c.t.Errorf("%s: on %s: nothing is at %s", c.name, from, to)
		return
	}
	shape := pattern + "?" + strings.Join(slices.Sorted(maps.Keys(u.Query())), "&")
	if c.seen[u.String()] || c.times[shape] >= perPattern {
		return
	}
	c.times[shape]++
	c.seen[u.String()] = true
	if c.reached == nil {
		c.reached = map[string]bool{}
	}
	c.reached[pattern] = true
	c.next = append(c.next, u.String())
}

// look asks for an address, and clicks all that is there.
func (c *clicker) look(path string) {
	a := c.who.do(http.MethodGet, path, "")
	if to := a.Header.Get("Location"); a.StatusCode == http.StatusSeeOther && to != "" {
		c.click(path, to)
		return
	}
	broken := a.StatusCode == http.StatusConflict && strings.HasSuffix(path, "/content/calls") // the family's calls cannot be read, which a page says
	if a.StatusCode != http.StatusOK && !broken {
		c.t.Errorf("%s: %s: status %d", c.name, path, a.StatusCode)
	}
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		return
	}
	doc, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		c.t.Fatal(err)
	}
	p := &clickedPage{clicker: c, path: path, ids: map[string]bool{}}
	p.read(doc, nil)
	if p.title == "" || p.headings != 1 {
		c.t.Errorf("%s: %s: title %q, %d headings of the first order", c.name, path, p.title, p.headings)
	}
	if p.ways == 0 && !strings.HasPrefix(path, "/settings/sheet") { // which is for the printer
		c.t.Errorf("%s: %s: a dead end", c.name, path)
	}
	for _, f := range p.fragments {
		if !p.ids[f] {
			c.t.Errorf("%s: %s: #%s is not on it", c.name, path, f)
		}
	}
}

// clickedPage is a page that is read.
type clickedPage struct {
	*clicker
	path      string
	title     string
	headings  int
	ways      int // links to other pages
	ids       map[string]bool
	fragments []string
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (p *clickedPage) read(n *html.Node, form *html.Node) {
	if n.Type == html.ElementNode {
		if id := attribute(n, "id"); id != "" {
			if p.ids[id] {
				p.t.Errorf("%s: %s: two things are called %q", p.name, p.path, id)
			}
			p.ids[id] = true
		}
		switch n.Data {
		case "title":
			if p.title == "" && n.FirstChild != nil {
				p.title = n.FirstChild.Data
			}
		case "h1":
			p.headings++
		case "a":
			p.link(attribute(n, "href"))
		case "img", "script", "video", "audio", "source":
			if src := attribute(n, "src"); src != "" {
				p.click(p.path, src)
			}
		case "link":
			p.click(p.path, attribute(n, "href"))
		case "form":
			form = n
			p.form(n)
		case "button":
			if form == nil && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return strings.HasPrefix(a.Key, "data-") }) {
				p.t.Errorf("%s: %s: a button does nothing", p.name, p.path)
			}
		}
	}
	for c := range n.ChildNodes() {
		p.read(c, form)
	}
}

func (p *clickedPage) link(to string) {
	if f, ok := strings.CutPrefix(to, "#"); ok {
		p.fragments = append(p.fragments, f)
		return
	}
	if to == "" {
		p.t.Errorf("%s: %s: a link without an address", p.name, p.path)
		return
	}
	p.ways++
	p.click(p.path, to)
}

// form sends a form that only asks, with what stands in it; one that changes something
// has to lead to a route.
func (p *clickedPage) form(n *html.Node) {
	action := attribute(n, "action")
	if action == "" { // the page itself
		action = p.path
	}
	u, err := url.Parse(action)
	if err != nil {
		p.t.Errorf("%s: %s: a form leads to %q: %v", p.name, p.path, action, err)
		return
	}
	if strings.EqualFold(attribute(n, "method"), "post") {
		if pattern := p.pattern(http.MethodPost, u); !strings.HasPrefix(pattern, "POST ") && attribute(n, "data-passkey") == "" {
			p.t.Errorf("%s: %s: a form leads to %s, where nothing is", p.name, p.path, action)
		}
		return
	}
	values := u.Query()
	for c := range n.Descendants() {
		name := attribute(c, "name")
		switch {
		case c.Type != html.ElementNode || name == "":
		case c.Data == "select":
			for o := range c.Descendants() {
				if o.Data == "option" && (values.Get(name) == "" || slices.ContainsFunc(o.Attr, func(a html.Attribute) bool { return a.Key == "selected" })) {
					values.Set(name, attribute(o, "value"))
				}
			}
		case attribute(c, "type") == "search" && attribute(c, "value") == "":
			values.Set(name, "IMG")
		case c.Data == "input":
			values.Set(name, attribute(c, "value"))
		}
	}
	p.ways++
	p.click(p.path, u.Path+"?"+values.Encode())
}
