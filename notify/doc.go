// Package notify tells people what the service has to say: messages to a phone,
// a mailbox or a chat, and pings to a dead man's switch that speaks up when the
// service itself has gone silent.
//
// # Where messages go
//
// Each place is one URL. Its scheme says what it is:
//
//	https://host/path, http://…         own webhook: a POST of the JSON below
//	telegram://TOKEN@telegram?chats=ID  own sender over the Bot API
//	ntfy://, gotify://, smtp://, …      the senders of shoutrrr, see docs/notifications.md
//
//	{"from":"keepsake","title":"Anna's iPhone needs you","text":"…","link":"https://…","urgent":true,"time":"2026-01-02T03:04:05Z"}
//
// These URLs hold tokens and passwords. They come in as [secret.Text] and never
// go out: an error names the kind of the place and its number, and its cause is
// cleaned of every part of the URL.
//
// # What it promises
//
// All places are tried at once, and each has ten seconds. A place that swallows
// the connection costs nobody else anything, and holds back no more than one
// message of its own. Whatever goes wrong comes back as an error; whether that
// matters is for the caller, and it never fails a backup.
//
// # Where it does not go
//
// Only an admin sets URLs, and may point them at anything in the home: this
// machine, the router, a box in the cellar. What nobody means is the link-local
// network, where clouds answer requests for the credentials of the machine
// (169.254.169.254 and its kin): addresses of that kind are refused when the
// connection is made, after the name was looked up, so a name that changes its
// mind is refused too. Redirects are not followed. Senders that bring their own
// connections have the address looked at beforehand only.
package notify
