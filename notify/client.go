package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// maxAnswer is how much of an answer is read, in bytes: enough to use the
// connection again, and nothing in it is needed.
const maxAnswer = 64 << 10

// RefusedAddressError is an address that messages do not go to.
type RefusedAddressError struct{ Address netip.Addr }

func (e *RefusedAddressError) Error() string {
	return fmt.Sprintf("address %s is refused: nobody gets messages there, and clouds hand out credentials at such", e.Address)
}

// Addresses of metadata services that are not link-local: those of AWS over IPv6
// and of Alibaba.
var metadata = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200")}

// checkAddress refuses what the package comment says.
func checkAddress(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a == metadata[0] || a == metadata[1] {
		return &RefusedAddressError{a}
	}
	return nil
}

// guardedDialer makes connections after the address, and not only the name, was
// looked at.
func guardedDialer() *net.Dialer {
	return &net.Dialer{Timeout: patience, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address of a connection: %w", err)
		}
		return checkAddress(to.Addr())
	}}
}

// newClient is the client of all that speaks HTTP here. It follows no redirects:
// who knows the new address sets that.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       3 * patience,
		Transport:     &http.Transport{DialContext: guardedDialer().DialContext, TLSHandshakeTimeout: patience, MaxIdleConns: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends body to u; anything but an answer of 2xx is an error.
func post(ctx context.Context, client *http.Client, u *url.URL, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "keepsake")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// How the answer ends does not matter: its first line has said it.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return statusError(resp.StatusCode)
	}
	return nil
}

// checkHTTP tells whether u is something to POST to.
func checkHTTP(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return plainError("it does not begin with https:// or http://")
	case u.Hostname() == "":
		return plainError("it names no host")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkAddress(a)
	}
	return nil
}
