package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"time"
)

// serviceAddress is where "keepsake serve" listens unless it is told otherwise.
const serviceAddress = "127.0.0.1:8420"

// healthTimeout is how long a service may take to say how it is.
const healthTimeout = 8 * time.Second

// maxHealth bounds what it says, in bytes.
const maxHealth = 4 << 10

// askHealth asks a running service how it is: for health checks, which have no
// shell and no curl.
func (a *app) askHealth(ctx context.Context, address string) error {
	text, err := health(ctx, address)
	if a.json {
		s := symptom{MessageType: "check", Check: "service", State: stateOK, Text: text}
		if err != nil {
			s.State, s.Text, s.Remedy = stateMissing, err.Error(), healthRemedy
		}
		a.emit(s)
	} else if err == nil && !a.quiet {
		a.printf("%s\n", text)
	}
	switch {
	case err == nil:
		return nil
	case a.json:
		return reported{exitError}
	}
	return &hintError{err: err, hint: healthRemedy}
}

const healthRemedy = "does it run? Its log says more; it is started by: keepsake serve"

// health gets what the service says of itself, an error if that is not well. Its
// certificate is not looked at, since it is for the names that people use: nothing
// secret is sent, and nothing but "ok" is believed.
func health(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	_, host, named := strings.Cut(address, "://")
	if !named {
		host = address
	}
	var errs []error
	for _, scheme := range []string{"https", "http"} {
		if named && !strings.HasPrefix(address, scheme+"://") {
			continue
		}
		text, err := healthAt(ctx, client, scheme+"://"+strings.TrimSuffix(host, "/")+"/healthz")
		if err == nil || !errors.Is(err, errNotAnswered) {
			return text, err
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return "", fmt.Errorf("ask the service at %s: only http and https are possible", address)
	}
	return "", fmt.Errorf("ask the service at %s: %w", address, errs[len(errs)-1])
}

// errNotAnswered: nobody there, or one that speaks something else.
var errNotAnswered = errors.New("no answer")

func healthAt(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		var request *neturl.Error // it repeats the address
		if errors.As(err, &request) {
			err = request.Err
		}
		return "", fmt.Errorf("%w: %w", errNotAnswered, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNotAnswered, err)
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "?")), " ")
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the service is not well: %s (%s)", text, resp.Status)
	}
	return text, nil
}
