// Package device is one handle on a phone: found over USB or Wi-Fi, paired,
// asked for what it is, and asked for services.
//
//	phone, err := device.Open(ctx, device.Options{Mux: &usbmux.Client{}})
//	info, err := phone.Info(ctx)
//	conn, err := phone.StartService(ctx, afc.Service)
//
// A [Device] keeps one lockdown session (package lockdown) and opens it again
// when the phone ended it or the connection broke; calls may come from several
// goroutines. It outlives a replug: the attachment is looked up again by UDID.
//
//	Device ── usbmuxd ── cable or Wi-Fi ── lockdownd ── session ┬ values
//	   └──── TCP, where usbmuxd does not connect to Wi-Fi ──┘   └ StartService → service
//
// Phones on the network need no usbmuxd at all: [OpenDirect] takes an address and
// a pair record, and answers the phone's heartbeat. Package discovery finds both.
//
// Errors say what kind of thing went wrong through the sentinels below
// ([ErrLocked], [ErrNotPaired], …), keep the phone's own word (lockdown.Error)
// underneath, and carry what to do about it: [Hint].
package device
