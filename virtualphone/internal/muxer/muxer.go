// Package muxer is a usbmuxd: it tells clients which phones are attached, keeps
// pair records for them, and connects them to ports of a phone (protocol.md 1).
//
//	+--------+---------+------+-----+------------------+
//	| length | version | type | tag | XML property     |
//	| u32 LE | 1       | 8    |     | list             |
//	+--------+---------+------+-----+------------------+
//
// After a Connect that succeeds, the client's connection is handed to the phone
// as it is: no byte is copied on the way.
package muxer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// A Port of a phone that accepts a connection: it serves conn until done and
// leaves closing it to the caller.
type Port func(ctx context.Context, conn net.Conn)

// Attachment is one way to a phone: by cable or by network.
type Attachment struct {
	// Properties as they are announced; the muxer fills in DeviceID.
	Properties usbmux.Properties
	// Open finds a port; false refuses the connection.
	Open func(port uint16) (Port, bool)
}

// Muxer serves clients. Make one with New.
type Muxer struct {
	records *records
	faults  mischief.Hitter
	log     *slog.Logger

	mu        sync.Mutex
	nextID    uint32
	devices   []device // by id
	listeners map[*listener]bool
	conns     map[net.Conn]bool
	closed    bool

	wg sync.WaitGroup
}

type device struct {
	id uint32
	Attachment
}

// New makes a muxer that keeps its BUID and pair records in dir.
func New(dir string, faults mischief.Hitter, log *slog.Logger) (*Muxer, error) {
	r, err := openRecords(dir)
	if err != nil {
		return nil, err
	}
	return &Muxer{
		records: r, faults: faults, log: log,
		nextID: 1, listeners: map[*listener]bool{}, conns: map[net.Conn]bool{},
	}, nil
}

// Serve accepts clients until ln or the muxer is closed, or ctx ends; then it
// closes every connection and returns when all of them are done.
func (m *Muxer) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { m.shut(); ln.Close() })
	defer m.wg.Wait()
	defer m.shut()
	defer cancel()
	defer stop()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if !m.track(conn) {
			conn.Close()
			continue
		}
		m.wg.Go(func() {
			defer m.untrack(conn)
			if err := m.serveClient(ctx, conn); err != nil {
				m.log.Debug("mux client dropped", "client", conn.RemoteAddr(), "cause", err)
			}
		})
	}
}

func (m *Muxer) track(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.conns[conn] = true
	}
	return !m.closed
}

func (m *Muxer) untrack(conn net.Conn) {
	conn.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, conn)
}

func (m *Muxer) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for c := range m.conns {
		c.Close()
	}
}

// client is one connection in command mode.
type client struct {
	m    *Muxer
	conn net.Conn

	mu sync.Mutex // one frame at a time
	l  *listener  // after Listen
}

func (m *Muxer) serveClient(ctx context.Context, conn net.Conn) error {
	c := &client{m: m, conn: conn}
	defer func() {
		if c.l != nil {
			m.unlisten(c.l)
		}
	}()
	for {
		var req request
		tag, err := usbmux.ReadMessage(conn, usbmux.MaxFrame, &req.dict)
		var version *usbmux.BadVersionError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &version):
			if err := c.result(tag, usbmux.ResultBadVersion); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		port, err := c.answer(ctx, tag, req)
		if err != nil {
			return err
		}
		if port != nil {
			port(ctx, conn)
			return nil
		}
	}
}

// request reads the keys of a request without insisting on their types.
type request struct{ dict map[string]any }

func (r request) text(key string) string {
	s, _ := r.dict[key].(string)
	return s
}

func (r request) number(key string) uint64 {
	switch n := r.dict[key].(type) {
	case uint64:
		return n
	case int64:
		if n > 0 {
			return uint64(n)
		}
	}
	return 0
}

func (r request) data(key string) []byte {
	b, _ := r.dict[key].([]byte)
	return b
}

func (c *client) send(tag uint32, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return usbmux.WriteMessage(c.conn, tag, v)
}

func (c *client) result(tag uint32, code usbmux.ResultCode) error {
	return c.send(tag, usbmux.Message{MessageType: usbmux.MsgResult, Number: &code})
}

// answer serves one request. A port is returned when the connection is its from
// now on; an error drops the client.
func (c *client) answer(ctx context.Context, tag uint32, req request) (Port, error) {
	kind := req.text("MessageType")
	err := mischief.Mux.At(ctx, c.m.faults, "mux."+kind, c.conn)
	var refusal *mischief.Refusal
	if errors.As(err, &refusal) {
		return nil, c.result(tag, refusalCode(refusal.Name))
	}
	if err != nil {
		return nil, err
	}
	switch kind {
	case usbmux.MsgListDevices:
		return nil, c.send(tag, c.m.list())
	case usbmux.MsgListen:
		return nil, c.listen(tag, req)
	case usbmux.MsgListListeners:
		return nil, c.send(tag, c.m.listListeners())
	case usbmux.MsgConnect:
		return c.connect(tag, req)
	case usbmux.MsgReadBUID:
		return nil, c.send(tag, usbmux.Message{BUID: c.m.records.buid})
	case usbmux.MsgReadPairRecord:
		data, code := c.m.records.read(req.text("PairRecordID"))
		if code != usbmux.ResultOK {
			return nil, c.result(tag, code)
		}
		return nil, c.send(tag, usbmux.Message{PairRecordData: data})
	case usbmux.MsgSavePairRecord:
		code := c.m.records.save(req.text("PairRecordID"), req.data("PairRecordData"))
		if code == usbmux.ResultOK {
			c.m.paired(uint32(req.number("DeviceID")))
		}
		return nil, c.result(tag, code)
	case usbmux.MsgDeletePairRecord:
		return nil, c.result(tag, c.m.records.delete(req.text("PairRecordID")))
	}
	return nil, c.result(tag, usbmux.ResultBadCommand)
}

func refusalCode(name string) usbmux.ResultCode {
	switch name {
	case "1":
		return usbmux.ResultBadCommand
	case "2":
		return usbmux.ResultBadDevice
	case "6":
		return usbmux.ResultBadVersion
	}
	return usbmux.ResultConnectionRefused
}

func (c *client) connect(tag uint32, req request) (Port, error) {
	if c.l != nil { // events would run into the phone's bytes
		return nil, c.result(tag, usbmux.ResultBadCommand)
	}
	d, ok := c.m.device(req.number("DeviceID"))
	if !ok {
		return nil, c.result(tag, usbmux.ResultBadDevice)
	}
	n := req.number("PortNumber")
	if n == 0 || n > 0xFFFF {
		return nil, c.result(tag, usbmux.ResultInvalidArgument)
	}
	port, ok := d.Open(usbmux.SwapPort(uint16(n)))
	if !ok {
		return nil, c.result(tag, usbmux.ResultConnectionRefused)
	}
	return port, c.result(tag, usbmux.ResultOK)
}

// listenerInfo is one row of ListListeners.
type listenerInfo struct {
	ID      string `plist:"ID String"`
	Prog    string `plist:"ProgName"`
	Bundle  string `plist:"BundleID"`
	Version uint64 `plist:"kLibUSBMuxVersion"`
}

type listenerList struct {
	ListenerList []listenerInfo `plist:"ListenerList"`
}
