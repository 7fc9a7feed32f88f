// Package client speaks to a running Keepsake over its API.
//
//	c, err := client.New("https://nas.local:8443", client.Options{Token: token})
//	job, err := c.BackUp(ctx, udid, false)
//	end, err := c.Follow(ctx, job, func(j api.Job) { fmt.Println(j.Text) })
//
// The values are those of package server/api. What the service refuses comes back
// as *Error, with the reason in words and, often, what a person can do about it
// (Hint); errors.Is tells the kinds apart: ErrSignIn, ErrForbidden, ErrNotFound,
// ErrBusy. Everything else that is returned means that the service could not be
// reached or does not speak this API. The token goes to the host it was given for,
// over TLS or to this very computer, and to no other: redirects are not followed.
package client
