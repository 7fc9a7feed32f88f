package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"strings"
)

// maxPage bounds a page that the demo looks at, in bytes.
const maxPage = 1 << 20

// look signs in to the page as Anna and opens what everybody opens first.
func (d *familyDemo) look(ctx context.Context, url string) (told string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	c := &http.Client{Jar: jar}
	defer c.CloseIdleConnections()
	base := strings.TrimSuffix(url, "/")
	form := neturl.Values{"login": {family[0].login}, "password": {familyPassword}}
	if _, err := fetch(ctx, c, http.MethodPost, base+"/signin", form, ""); err != nil {
		return "", err
	}
	udid := d.phones.Phones()[0].UDID()
	pages := map[string]string{"/": family[0].phone, "/phones/" + udid: family[0].phone, "/activity": family[3].phone, "/settings": "", "/people": family[2].name, "/targets": ""}
	for path, want := range pages {
		if _, err := fetch(ctx, c, http.MethodGet, base+path, nil, want); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d pages answered", len(pages)), nil
}

// fetch gets a page, on which want stands.
func fetch(ctx context.Context, c *http.Client, method, url string, form neturl.Values, want string) (string, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
		return "", fmt.Errorf("look at %s: %s, and %q is not on it", url, resp.Status, want)
	}
	return string(b), nil
}
