// Package restserver serves repositories over restic's REST protocol
// (restic-format.md 14; the requests are drawn in package rest), so that a laptop
// at the desk backs up into the machine at home. restic, rustic and rclone speak
// it too.
//
// The server is a thing between HTTP and backend.Backend, and knows no more of a
// repository than the names of its files. It holds no key.
//
//	users, err := restserver.OpenUsers("htpasswd", log)
//	h, err := restserver.New(restserver.Options{Open: restserver.Folder("/srv/backups"), Users: users, PrivateRepos: true})
//	l, err := restserver.Listen(ctx, "192.0.2.7:8421", restserver.Rules{CertFile: "cert.pem", KeyFile: "key.pem"})
//	err = restserver.Serve(ctx, l, h, log)
//
// What it promises:
//
//   - A file is seen under its name only when all of it has come and its SHA-256
//     is that name. The hash is taken while the body passes; a body that is cut
//     off, stands still or lies never becomes a file.
//   - Append-only unless Options.AllowRemoval: nothing is ever replaced, and only
//     locks are removed. What was backed up stays, whoever takes over the client.
//     It does not keep anyone with the password from adding bad snapshots.
//   - With PrivateRepos a user reaches what lies below /<user>/ and nothing else.
//   - A path is a list of strictly checked names, never a path of the host's.
//   - Passwords are kept as argon2id or bcrypt hashes (htpasswd's "-B" lines), and
//     guessing is slowed down for each address.
//   - A transfer may take as long as it likes, but not stand still.
package restserver
