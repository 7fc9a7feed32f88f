// Package daemon puts a service together: the catalog and its key, the watcher of
// phones, the service, the people, and the page over all of it.
//
//	d, err := daemon.Open(ctx, daemon.Options{Data: "/var/lib/keepsake", …})
//	err = d.Serve(ctx, listener)   // until ctx ends
//	d.Close()
//
// Its folder is the service's own:
//
//	<data>/                  0700
//	  lock                   held by the one process that works here
//	  key                    32 bytes that seal the secrets in the database (0600), unless
//	                         somebody else hands the key over
//	  keepsake.db            package catalog
//	  service.json           where the running service is, and a token for the commands
//	                         of this account (0600); gone when it ends
//	  state/                 package internal/station: what is unfinished
//	  tls/ca.crt             our own authority, for other devices to trust
package daemon
