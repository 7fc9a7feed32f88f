// Package devicelink speaks DeviceLink, the message layer under the backup
// service of the phone (protocol.md 3 and 4.3 to 4.5), from the host's side.
//
// Every control message is a property list behind its length; the list is an
// array whose first element is the name of the message:
//
//	+----------------+-------------------------------------------+
//	| u32 big-endian | bplist00 or XML:                          |
//	| length         | ["DLMessageCreateDirectory", path, {}, 0] |
//	+----------------+-------------------------------------------+
//
// The link opens with the phone's word:
//
//	phone  ["DLMessageVersionExchange", 400, 0]
//	host   ["DLMessageVersionExchange", "DLVersionsOk", 400]
//	phone  ["DLMessageDeviceReady"]
//
// From then on the phone asks and the host answers each request with
//
//	["DLMessageStatusResponse", code, text, payload]
//
// File contents travel outside property lists, in frames with the same length
// in front ([Receiver] and [Sender] draw them). The names of the messages are
// from the phone's side: DLMessageDownloadFiles asks the host to send.
//
//	c := devicelink.New(conn)
//	if err := c.Handshake(ctx); err != nil { … }
//	for {
//		m, err := c.Receive(ctx)
//		switch m := m.(type) {
//		case devicelink.MakeDir:
//			err = c.Answer(ctx, devicelink.StatusOK, "", nil)
//		…
//
// One goroutine owns a Conn: nothing here may be called concurrently except
// [Conn.Close].
package devicelink
