package chat

import (
	"net/url"
	"strings"
)

// segment is a stretch of text, or an address in it.
type segment struct {
	Text, Href string
}

// maxLinks of one text become links; what follows stays text.
const maxLinks = 200

// segments finds the web addresses in a text.
func segments(s string) []segment {
	var list []segment
	for len(list) < 2*maxLinks {
		i := nextLink(s)
		if i < 0 {
			break
		}
		end := strings.IndexFunc(s[i:], func(r rune) bool { return r <= ' ' || strings.ContainsRune("<>\"\u00a0\u200b\u2028\u2029", r) })
		if end < 0 {
			end = len(s) - i
		}
		word := strings.TrimRight(s[i:i+end], ".,;:!?'»”’")
		for strings.HasSuffix(word, ")") && strings.Count(word, ")") > strings.Count(word, "(") {
			word = word[:len(word)-1]
		}
		href := safeLink(word)
		if i > 0 {
			list = append(list, segment{Text: s[:i]})
		}
		list = append(list, segment{Text: word, Href: href})
		s = s[i+len(word):]
	}
	if s != "" {
		list = append(list, segment{Text: s})
	}
	return list
}

func nextLink(s string) int {
	from := 0
	for {
		i := strings.Index(s[from:], "http")
		if i < 0 {
			return -1
		}
		i += from
		if strings.HasPrefix(s[i:], "http://") || strings.HasPrefix(s[i:], "https://") {
			return i
		}
		from = i + 4
	}
}

// safeLink gives an address that a page may link to: of the web, of mail, of a
// telephone; "" otherwise.
func safeLink(s string) string {
	if len(s) > 4096 {
		return ""
	}
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host != "" {
			return u.String()
		}
	case "mailto", "tel":
		return u.String()
	}
	return ""
}

// hostOf is the name of a site, for people.
func hostOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Host, "www.")
}
