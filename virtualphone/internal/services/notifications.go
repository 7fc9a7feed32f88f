package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// Hub passes notifications on to whoever observes them. The zero value is
// ready.
type Hub struct {
	mu        sync.Mutex
	observers map[*observer]bool
}

type observer struct {
	names map[string]bool // guarded by Hub.mu
	queue chan string
	drop  func() // a peer that reads nothing
}

const (
	maxQueue    = 1024 // notifications that a peer may leave unread
	maxObserved = 4096 // names that one connection may observe
	maxName     = 1024 // bytes
)

// Post relays a notification to those who observe it now.
func (h *Hub) Post(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for o := range h.observers {
		if !o.names[name] {
			continue
		}
		select {
		case o.queue <- name:
		default:
			o.drop()
		}
	}
}

// Observers counts the connections that observe name.
func (h *Hub) Observers(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for o := range h.observers {
		if o.names[name] {
			n++
		}
	}
	return n
}

func (h *Hub) add(o *observer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.observers == nil {
		h.observers = map[*observer]bool{}
	}
	h.observers[o] = true
}

func (h *Hub) remove(o *observer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.observers, o)
	close(o.queue)
}

func (h *Hub) observe(o *observer, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(o.names) >= maxObserved || len(name) > maxName {
		return false
	}
	o.names[name] = true
	return true
}

// Notifications is com.apple.mobile.notification_proxy.
type Notifications struct {
	Hub    *Hub
	Faults mischief.Hitter
	// Posted is told what a host posts, before observers are.
	Posted func(name string)
	// Observed is told when a connection observes a name.
	Observed func(name string)
}

// Serve takes
//
//	{Command: PostNotification | ObserveNotification, Name}   without an answer
//	{Command: Shutdown}                                       answered by ProxyDeath
//
// and sends {Command: RelayNotification, Name}.
func (n *Notifications) Serve(ctx context.Context, conn net.Conn) error {
	c := framing.New(conn, plist.XML)
	c.Max = maxMessage
	var writing sync.Mutex
	say := func(v any) error {
		writing.Lock()
		defer writing.Unlock()
		return c.Send(ctx, v)
	}
	o := &observer{names: map[string]bool{}, queue: make(chan string, maxQueue), drop: func() { conn.Close() }}
	n.Hub.add(o)
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		for name := range o.queue {
			if err := say(notification{"RelayNotification", name}); err != nil {
				conn.Close() // the reader below reports it
			}
		}
	}()
	defer func() { <-relayed }()
	defer n.Hub.remove(o)
	for {
		// Replies do not follow the request's encoding here: relays come unasked.
		var req notification
		if err := c.Receive(ctx, &req); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("notification request: %w", err)
		}
		err := mischief.PropertyLists.At(ctx, n.Faults, "notification."+req.Command, conn)
		if refusal := (*mischief.Refusal)(nil); errors.As(err, &refusal) {
			continue // there is no answer that could refuse
		}
		if err != nil {
			return err
		}
		switch req.Command {
		case "PostNotification":
			n.Posted(req.Name)
			n.Hub.Post(req.Name)
		case "ObserveNotification":
			if !n.Hub.observe(o, req.Name) {
				return fmt.Errorf("notification request: more than %d names observed, or a long one", maxObserved)
			}
			n.Observed(req.Name)
		case "Shutdown":
			return say(notification{Command: "ProxyDeath"})
		}
	}
}

type notification struct {
	Command string `plist:"Command"`
	Name    string `plist:"Name,omitempty"`
}
