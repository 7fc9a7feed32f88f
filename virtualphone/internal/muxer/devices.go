package muxer

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/usbmux"
)

// maxEvents is how many events a listener may leave unread before it is
// dropped.
const maxEvents = 1024

// listener gets events in order; a goroutine writes them to its client.
type listener struct {
	events chan usbmux.Message
	info   listenerInfo
	client *client
}

// Attach announces a phone. The id counts from 1 and is never used again.
func (m *Muxer) Attach(a Attachment) (id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id = m.nextID
	m.nextID++
	a.Properties.DeviceID = id
	if a.Properties.LocationID == 0 && a.Properties.ConnectionType == usbmux.ConnectionUSB {
		a.Properties.LocationID = 0x14000000 | id<<16&0xFF0000
	}
	d := device{id, a}
	m.devices = append(m.devices, d)
	m.broadcastLocked(d.event())
	return id
}

// Detach takes a phone away. Connections to it are the phone's to close.
func (m *Muxer) Detach(id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.devices)
	m.devices = slices.DeleteFunc(m.devices, func(d device) bool { return d.id == id })
	if len(m.devices) < n {
		m.broadcastLocked(usbmux.Message{MessageType: usbmux.MsgDetached, DeviceID: id})
	}
}

func (m *Muxer) paired(id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.devices, func(d device) bool { return d.id == id }) {
		m.broadcastLocked(usbmux.Message{MessageType: usbmux.MsgPaired, DeviceID: id})
	}
}

func (m *Muxer) device(id uint64) (device, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.devices, func(d device) bool { return uint64(d.id) == id })
	if i < 0 {
		return device{}, false
	}
	return m.devices[i], true
}

func (m *Muxer) list() usbmux.DeviceListReply {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := usbmux.DeviceListReply{DeviceList: []usbmux.Message{}}
	for _, d := range m.devices {
		reply.DeviceList = append(reply.DeviceList, d.event())
	}
	return reply
}

func (d device) event() usbmux.Message {
	p := d.Properties
	return usbmux.Message{MessageType: usbmux.MsgAttached, DeviceID: d.id, Properties: &p}
}

func (m *Muxer) broadcastLocked(e usbmux.Message) {
	for l := range m.listeners {
		select {
		case l.events <- e:
		default:
			l.client.conn.Close()
		}
	}
}

// listen answers Listen and from then on sends events, beginning with one per
// phone that is there.
func (c *client) listen(tag uint32, req request) error {
	if c.l != nil {
		return c.result(tag, usbmux.ResultBadCommand)
	}
	if err := c.result(tag, usbmux.ResultOK); err != nil {
		return err
	}
	l := &listener{
		events: make(chan usbmux.Message, maxEvents),
		client: c,
		info: listenerInfo{
			ID:   fmt.Sprintf("%s-%s", c.conn.RemoteAddr(), req.text("ProgName")),
			Prog: req.text("ProgName"), Bundle: req.text("BundleID"),
			Version: req.number("kLibUSBMuxVersion"),
		},
	}
	c.l = l
	c.m.mu.Lock()
	for _, d := range c.m.devices {
		l.events <- d.event()
	}
	c.m.listeners[l] = true
	c.m.mu.Unlock()
	c.m.wg.Go(func() {
		for e := range l.events {
			if err := c.send(0, e); err != nil {
				c.conn.Close()
			}
		}
	})
	return nil
}

func (m *Muxer) unlisten(l *listener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners[l] {
		delete(m.listeners, l)
		close(l.events)
	}
}

func (m *Muxer) listListeners() listenerList {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := listenerList{ListenerList: []listenerInfo{}}
	for l := range m.listeners {
		reply.ListenerList = append(reply.ListenerList, l.info)
	}
	slices.SortFunc(reply.ListenerList, func(a, b listenerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return reply
}
