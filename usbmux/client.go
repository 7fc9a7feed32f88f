package usbmux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	// replyTimeout is what the reference library waits for a reply
	// (protocol.md 1.1).
	replyTimeout = 5 * time.Second
	// connectTimeout is longer: for a phone on Wi-Fi the daemon opens a TCP
	// connection first, and the phone may have to wake up.
	connectTimeout = 20 * time.Second
)

// DeviceID is the daemon's handle for one attachment of a phone, above 0. It
// changes whenever the phone is plugged in again: never store it.
type DeviceID uint32

// Client talks to a usbmuxd. The zero value talks to the system's own. Each
// call uses a connection of its own, so a Client may be used concurrently.
type Client struct {
	// Address of the daemon; zero means DefaultAddress.
	Address Address
	// ProgName is what the daemon's log calls this program; empty means
	// "keepsake".
	ProgName string
	// Dial replaces the dialer when not nil.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Device is an attached phone.
type Device struct {
	ID     DeviceID
	UDID   UDID   // zero when Serial is no UDID
	Serial string // SerialNumber as the daemon gave it
	// Transport is ConnectionUSB or ConnectionNetwork.
	Transport string
	// Addr is where a network device listens; invalid for USB, and when the
	// daemon gave an address that cannot be read.
	Addr netip.AddrPort
	// ServiceName is the Bonjour name of a network device, or empty.
	ServiceName string
	// ConnectionSpeed of a USB device in bits a second, 0 if unknown.
	ConnectionSpeed uint64
	ProductID       uint64
	LocationID      uint32
}

func deviceOf(p *Properties, id uint32) Device {
	if id == 0 {
		id = p.DeviceID
	}
	d := Device{
		ID:              DeviceID(id),
		Serial:          p.SerialNumber,
		Transport:       p.ConnectionType,
		ServiceName:     p.EscapedFullServiceName,
		ConnectionSpeed: p.ConnectionSpeed,
		ProductID:       p.ProductID,
		LocationID:      p.LocationID,
	}
	// What is no UDID or no address leaves the field zero: one odd device must
	// not hide the others.
	d.UDID, _ = ParseUDID(p.SerialNumber)
	if p.ConnectionType == ConnectionNetwork {
		d.Addr, _ = ParseNetworkAddress(p.NetworkAddress)
	}
	return d
}

// List returns the phones that are attached now, in the daemon's order. A
// phone reachable by cable and by Wi-Fi is listed twice.
func (c *Client) List(ctx context.Context) ([]Device, error) {
	var reply Message
	if err := c.request(ctx, Message{MessageType: MsgListDevices}, &reply); err != nil {
		return nil, fmt.Errorf("list phones: %w", err)
	}
	if reply.MessageType == MsgResult {
		return nil, fmt.Errorf("list phones: %w", resultError(MsgListDevices, reply))
	}
	var list []Device
	for _, m := range reply.DeviceList {
		if m.Properties == nil {
			return nil, fmt.Errorf("list phones: %w: device without Properties", plist.ErrMalformed)
		}
		list = append(list, deviceOf(m.Properties, m.DeviceID))
	}
	return list, nil
}

// Connect opens port of the phone and returns the raw stream to it; closing it
// is the caller's. A *ResultError with ResultBadDevice means that the
// attachment is gone, with ResultConnectionRefused that nothing listens there.
func (c *Client) Connect(ctx context.Context, id DeviceID, port uint16) (net.Conn, error) {
	conn, err := c.connect(ctx, id, port)
	if err != nil {
		return nil, fmt.Errorf("connect to port %d of device %d: %w", port, id, err)
	}
	return conn, nil
}

func (c *Client) connect(ctx context.Context, id DeviceID, port uint16) (_ net.Conn, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	var reply Message
	m := Message{MessageType: MsgConnect, DeviceID: uint32(id), PortNumber: SwapPort(port)}
	if err := c.exchange(ctx, conn, connectTimeout, m, &reply); err != nil {
		return nil, err
	}
	if err := resultError(MsgConnect, reply); err != nil {
		return nil, err
	}
	return conn, nil
}

// ReadBUID returns the identity of this computer, which pair records carry as
// SystemBUID: an opaque string.
func (c *Client) ReadBUID(ctx context.Context) (string, error) {
	var reply Message
	if err := c.request(ctx, Message{MessageType: MsgReadBUID}, &reply); err != nil {
		return "", fmt.Errorf("read BUID: %w", err)
	}
	if reply.BUID == "" {
		return "", fmt.Errorf("read BUID: %w", missing(MsgReadBUID, "BUID", reply))
	}
	return reply.BUID, nil
}

// ReadPairRecord returns the daemon's pair record of a phone, an encoded
// property list that holds private keys; the error wraps ErrNoPairRecord when
// there is none.
func (c *Client) ReadPairRecord(ctx context.Context, udid UDID) ([]byte, error) {
	var reply Message
	if err := c.request(ctx, Message{MessageType: MsgReadPairRecord, PairRecordID: udid.String()}, &reply); err != nil {
		return nil, fmt.Errorf("read pair record of %s: %w", udid, err)
	}
	if reply.Number != nil && *reply.Number == ResultBadDevice { // ENOENT here
		return nil, fmt.Errorf("read pair record of %s: %w", udid, ErrNoPairRecord)
	}
	if len(reply.PairRecordData) == 0 {
		return nil, fmt.Errorf("read pair record of %s: %w", udid, missing(MsgReadPairRecord, "PairRecordData", reply))
	}
	return reply.PairRecordData, nil
}

// SavePairRecord stores a pair record, an encoded property list, over the one
// there may be. With the id of the phone's attachment, the daemon tells its
// listeners that the phone is paired; 0 does not.
func (c *Client) SavePairRecord(ctx context.Context, udid UDID, id DeviceID, record []byte) error {
	m := Message{MessageType: MsgSavePairRecord, PairRecordID: udid.String(), PairRecordData: record, DeviceID: uint32(id)}
	if err := c.command(ctx, m); err != nil {
		return fmt.Errorf("save pair record of %s: %w", udid, err)
	}
	return nil
}

// DeletePairRecord removes a pair record. Without one it is no error.
func (c *Client) DeletePairRecord(ctx context.Context, udid UDID) error {
	err := c.command(ctx, Message{MessageType: MsgDeletePairRecord, PairRecordID: udid.String()})
	var refused *ResultError
	if errors.As(err, &refused) && refused.Code == ResultBadDevice { // ENOENT here
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete pair record of %s: %w", udid, err)
	}
	return nil
}

// command makes a request that is answered by a bare Result.
func (c *Client) command(ctx context.Context, m Message) error {
	var reply Message
	if err := c.request(ctx, m, &reply); err != nil {
		return err
	}
	return resultError(m.MessageType, reply)
}

// request makes one exchange on a connection of its own.
func (c *Client) request(ctx context.Context, m Message, reply *Message) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return c.exchange(ctx, conn, replyTimeout, m, reply)
}

func (c *Client) address() Address {
	if c.Address.IsZero() {
		return DefaultAddress()
	}
	return c.Address
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	addr := c.address()
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: replyTimeout}).DialContext
	}
	conn, err := dial(ctx, addr.Network, addr.Addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &DaemonError{addr, err}
	}
	return conn, nil
}

// The tag of the only request on a connection.
const tag = 1

// exchange sends m and reads its reply within timeout, then lifts the deadline.
func (c *Client) exchange(ctx context.Context, conn net.Conn, timeout time.Duration, m Message, reply *Message) error {
	m.ProgName = c.ProgName
	if m.ProgName == "" {
		m.ProgName = "keepsake"
	}
	m.ClientVersionString = m.ProgName
	m.LibUSBMuxVersion = 3

	timed, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stop := context.AfterFunc(timed, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err := roundTrip(conn, m, reply)
	if !stop() && err == nil {
		// The time ran out between the reply and here, and left a deadline behind.
		err = timed.Err()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case timed.Err() != nil:
		return fmt.Errorf("%s: %w", m.MessageType, &framing.StalledError{Op: "read", Idle: timeout})
	}
	return err
}

func roundTrip(conn net.Conn, m Message, reply *Message) error {
	var frame bytes.Buffer
	if err := WriteMessage(&frame, tag, m); err != nil {
		return err
	}
	if frame.Len() > MaxFrame {
		return fmt.Errorf("%s of %d bytes is longer than the %d that usbmuxd takes", m.MessageType, frame.Len(), MaxFrame)
	}
	if _, err := conn.Write(frame.Bytes()); err != nil {
		return &framing.WireError{Op: "write", Err: err}
	}
	got, err := ReadMessage(conn, maxReply, reply)
	if err != nil {
		return wireError(err)
	}
	if got != tag {
		return fmt.Errorf("%w: usbmuxd answered tag %d, want %d", plist.ErrMalformed, got, tag)
	}
	return nil
}

// wireError tells a connection that broke from a daemon that talks nonsense.
func wireError(err error) error {
	var version *BadVersionError
	if errors.Is(err, plist.ErrMalformed) || errors.As(err, &version) {
		return err
	}
	if err == io.EOF { // between two frames, where one had to come
		err = io.ErrUnexpectedEOF
	}
	return &framing.WireError{Op: "read", Err: err}
}

// resultError checks a reply that must be a Result.
func resultError(request string, reply Message) error {
	if reply.MessageType != MsgResult || reply.Number == nil {
		return fmt.Errorf("%w: usbmuxd answered %s with %.40q, not a Result", plist.ErrMalformed, request, reply.MessageType)
	}
	if *reply.Number != ResultOK {
		return &ResultError{request, *reply.Number}
	}
	return nil
}

// missing explains a reply without the key that was asked for.
func missing(request, key string, reply Message) error {
	if reply.Number != nil && *reply.Number != ResultOK {
		return &ResultError{request, *reply.Number}
	}
	return fmt.Errorf("%w: usbmuxd answered %s without %s", plist.ErrMalformed, request, key)
}
