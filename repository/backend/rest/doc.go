// Package rest keeps a repository on a server that speaks restic's REST
// protocol (restic-format.md 14): keepsake serve-rest, rest-server, or rclone.
//
// The protocol is files over HTTP. /p/ is the path of the repository, <type>
// one of data, keys, locks, snapshots and index, and packs are flat here even
// where the server keeps them in folders:
//
//	POST /p/?create=true                 make the repository's folders
//	HEAD /p/config                       200 or 404; Content-Length is the size
//	GET  /p/config
//	POST /p/config                       403 if it is there
//	GET  /p/<type>/                      the list; 404 is an empty one
//	HEAD /p/<type>/<id>
//	GET  /p/<type>/<id>                  Range: bytes=4096-8191  ->  206, Content-Range
//	POST /p/<type>/<id>                  403 if it is there, 507 if the disk is full
//	DELETE /p/<type>/<id>                403 on an append-only server, but for locks
//
// A list has one of two forms, and the request says which it would like:
//
//	Accept: application/vnd.x.restic.rest.v2   [{"name":"6b86b2…","size":4711},…]
//	otherwise, or from an old server           ["6b86b2…",…], and a HEAD tells each size
//
// The two calls most people need are Open and, through repository.Init, Create:
//
//	b, err := rest.Open(ctx, rest.Config{URL: "https://nas.lan:8421/ada/", Username: "ada", Password: password})
//
// A request is never cut off for taking long, only for standing still
// (Config.Patience). Nothing here is tried twice: that is the work of a wrapper.
package rest
