package fake

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// Options say what kind of household it is. The zero value is the family.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Phones is how many phones there are; 0 is the family's six.
	Phones int
	// Versions is how many versions each phone has; 0 is as many as suit its story.
	Versions int
	// Empty is a service that nobody has set up yet.
	Empty bool
	// Still: no job runs when it begins, and no fresh phone waits.
	Still bool
	// PlaceErr is why the backups cannot be reached; "" is that they can.
	PlaceErr string
	// Step is how long one part of a job takes; 0 is three seconds.
	Step time.Duration
}

// Household is the made-up service. All methods can be called at the same time.
type Household struct {
	o Options

	mu       sync.Mutex
	ready    bool
	place    string
	phones   map[string]*phone
	order    []string // UDIDs, as they are shown
	jobs     []*job   // by ID
	targets  []service.Target
	settings service.Settings
	watchers map[chan service.Event]service.Who
}

// phone is a phone and what is kept of it.
type phone struct {
	service.Phone
	fresh    bool // nobody owns it here
	password string
	versions []service.Version // newest first
}

// accounts of the family by their number.
var accounts = map[int64]string{1: "Anna", 2: "Ben", 3: "Clara", 4: "David"}

// New makes a household.
func New(o Options) *Household {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Step == 0 {
		o.Step = 3 * time.Second
	}
	h := &Household{o: o, phones: map[string]*phone{}, watchers: map[chan service.Event]service.Who{}}
	h.settings = service.Settings{Name: "Home", Notify: []string{service.Kept}, Parallel: 2, CheckWeekly: 5, RehearseMonthly: true}
	if o.Empty {
		h.addFresh(o.Now())
		return h
	}
	h.ready, h.place = true, "/srv/keepsake"
	if o.Phones > 0 {
		h.crowd(o.Phones)
	} else {
		h.family()
	}
	h.past()
	if !o.Still {
		h.present()
	}
	h.targets = someTargets(o.Now())
	return h
}

// hintError is an error that says what to do.
type hintError struct{ text, hint string }

func (e *hintError) Error() string { return e.text }

// Hint says what to do.
func (e *hintError) Hint() string { return e.hint }

// find gives the phone if who may see it. The caller holds the lock.
func (h *Household) find(who service.Who, udid string) (*phone, error) {
	p, ok := h.phones[udid]
	if !ok || !sees(who, p) {
		return nil, fs.ErrNotExist
	}
	return p, nil
}

// steer is find for those who change something.
func (h *Household) steer(who service.Who, udid string) (*phone, error) {
	p, err := h.find(who, udid)
	if err == nil && who.ReadOnly {
		return nil, service.ErrForbidden
	}
	return p, err
}

// open is find for those who look inside.
func (h *Household) open(who service.Who, udid string) (*phone, error) {
	p, err := h.find(who, udid)
	if err == nil && !mayOpen(who, p) {
		return nil, service.ErrForbidden
	}
	return p, err
}

func (h *Household) admin(who service.Who) error {
	if !who.Admin || who.ReadOnly {
		return service.ErrForbidden
	}
	return nil
}

func sees(who service.Who, p *phone) bool {
	if who.Phones != nil && !slices.Contains(who.Phones, p.UDID) {
		return false
	}
	return who.Admin || p.Owner == who.Account || p.Owner == 0
}

func mayOpen(who service.Who, p *phone) bool {
	return who.Account == 0 && who.Admin || p.Owner == who.Account && p.Owner != 0 || who.Admin && p.Granted
}

// Watch implements server.Looker.
func (h *Household) Watch(ctx context.Context, who service.Who) <-chan service.Event {
	ch := make(chan service.Event, 1)
	h.mu.Lock()
	h.watchers[ch] = who
	h.mu.Unlock()
	go func() {
		tick := time.NewTicker(min(max(h.o.Step/3, 50*time.Millisecond), time.Second))
		defer tick.Stop()
		defer close(ch)
		for {
			select {
			case <-ctx.Done():
				h.mu.Lock()
				delete(h.watchers, ch)
				h.mu.Unlock()
				return
			case <-tick.C:
				h.tellOfRunning()
			}
		}
	}()
	return ch
}

// tellOfRunning sends an event for each job that runs.
func (h *Household) tellOfRunning() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance()
	for _, j := range h.jobs {
		if j.running() {
			v := j.Job
			h.tell(service.Event{Kind: "job", UDID: v.UDID, Job: &v})
		}
	}
}

// tell gives e to all who may see it; the newest replaces one not yet taken.
func (h *Household) tell(e service.Event) {
	for ch, who := range maps.All(h.watchers) {
		if p, ok := h.phones[e.UDID]; ok && !sees(who, p) {
			continue
		}
		select {
		case <-ch:
		default:
		}
		select {
		case ch <- e:
		default:
		}
	}
}

var errNoPlace = errors.New("the set-up is not done")
