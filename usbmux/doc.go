// Package usbmux is a client of usbmuxd, the daemon that carries connections to
// iPhones over USB, and with some daemons over Wi-Fi.
//
// [Client.List] and [Client.Listen] tell which phones are there;
// [Client.Connect] opens a port of one and gives a net.Conn. The daemon also
// keeps the pair records of this computer: see package lockdown.
//
// Every message is a frame of four little-endian words and an XML property
// list (protocol.md 1.1):
//
//	0        4         8          12     16
//	+--------+---------+----------+------+---------------------------+
//	| length | version | type     | tag  | XML property list         |
//	| total  | 1       | 8 plist  |      | {MessageType: …}          |
//	+--------+---------+----------+------+---------------------------+
//
// The client asks, the daemon answers with the same tag:
//
//	{ListDevices}                         → {DeviceList: [{DeviceID, Properties}]}
//	{Connect, DeviceID, PortNumber}       → {Result, Number: 0}, then raw bytes
//	{ReadBUID}                            → {BUID}
//	{ReadPairRecord, PairRecordID}        → {PairRecordData}, or {Result, Number: 2}
//	{SavePairRecord, PairRecordID, …Data} → {Result}
//	{Listen}                              → {Result, Number: 0}, then for ever
//	                                        {Attached, DeviceID, Properties},
//	                                        {Detached, DeviceID}, {Paired, DeviceID}
//
// PortNumber is in network byte order inside an integer: [SwapPort]. The
// message types are shared with the virtual phone, which is the other side.
package usbmux
