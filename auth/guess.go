package auth

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
)

// limit is how often something may be tried: free times at once, and once more after
// each interval. Beyond that each try has to wait twice as long as the one before,
// from a second up to longestWait.
type limit struct {
	free     int
	interval time.Duration
}

const longestWait = 15 * time.Minute

// How guesses are slowed: see the package comment.
var (
	// of one network at one account, or at the own password
	limitPair = limit{5, time.Hour}
	// of one network at all accounts
	limitNetwork = limit{20, time.Hour}
	// of all networks at one account, but for those that are known: more than the 96 a
	// day that one network gets through, so that it takes several to make others wait
	limitStrangers = limit{100, 14 * time.Minute}
)

// count is what is remembered of tries.
type count struct {
	Tries float64   `json:"tries"` // less what was forgotten until At
	At    time.Time `json:"at"`
	Until time.Time `json:"until"` // nothing is tried before
}

// try counts a try at the time now, unless it has to wait: then it is false.
func (c *count) try(l limit, now time.Time) bool {
	// A wait that is longer than any was set by a clock that has gone back since.
	if wait := c.Until.Sub(now); wait > 0 && wait <= longestWait {
		return false
	}
	if since := now.Sub(c.At); since > 0 {
		c.Tries = max(0, c.Tries-float64(since)/float64(l.interval))
	}
	c.Tries++
	c.At, c.Until = now, time.Time{}
	if over := int(c.Tries) - l.free; over >= 0 {
		c.Until = now.Add(min(longestWait, time.Second<<min(over, 20)))
	}
	return true
}

// attempt counts a try of a subject; ErrWait: it has to wait.
func (k *Keeper) attempt(ctx context.Context, subject string, l limit) error {
	var c count
	return k.db.Attempts(ctx, subject, &c, func() error {
		if !c.try(l, k.now()) {
			return ErrWait
		}
		return nil
	})
}

// nowhere is the network of what is no address.
const nowhere = "unknown"

// network is an address without what one and the same host can change of it.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return nowhere
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

func isLoopback(network string) bool {
	ip, err := netip.ParseAddr(network)
	return err == nil && ip.IsLoopback()
}

// counted are the subjects at which a try was counted.
type counted struct{ pair, network, strangers string }

// guard counts a try to prove to be a, before anybody looks whether it is right;
// ErrWait: it has to wait. What was right is to be forgiven.
func (k *Keeper) guard(ctx context.Context, login string, a catalog.Account, address string) (counted, error) {
	from := network(address)
	c := counted{pair: "account " + login + " at " + from, network: "address " + from}
	known := isLoopback(from)
	if a.ID != 0 && !known {
		var err error
		if known, err = k.db.Known(ctx, a.ID, from); err != nil {
			return counted{}, err
		}
	}
	// In this order, what one count stops is not counted by the next: a single
	// network's thousands of tries do not fill the count that others share.
	if err := k.attempt(ctx, c.network, limitNetwork); err != nil {
		return counted{}, err
	}
	if err := k.attempt(ctx, c.pair, limitPair); err != nil {
		return counted{}, err
	}
	if known {
		return c, nil
	}
	c.strangers = "account " + login
	return c, k.attempt(ctx, c.strangers, limitStrangers)
}

// forgive takes back what guard has counted, since it was right: nobody waits for
// having signed in often. The network's count of the account begins anew.
func (k *Keeper) forgive(ctx context.Context, c counted) error {
	err := k.clear(ctx, c.pair)
	for _, subject := range []string{c.network, c.strangers} {
		if subject != "" && err == nil {
			err = k.takeBack(ctx, subject)
		}
	}
	return err
}

// takeBack makes a subject's last try uncounted.
func (k *Keeper) takeBack(ctx context.Context, subject string) error {
	var c count
	return k.db.Attempts(ctx, subject, &c, func() error {
		c.Tries, c.Until = max(0, c.Tries-1), time.Time{}
		return nil
	})
}

// clear forgets the tries of a subject.
func (k *Keeper) clear(ctx context.Context, subject string) error {
	var c count
	return k.db.Attempts(ctx, subject, &c, func() error {
		c = count{}
		return nil
	})
}

// tooOften tells whether a subject has been counted too often just now.
func (k *Keeper) tooOften(ctx context.Context, subject string, l limit) (bool, error) {
	err := k.attempt(ctx, subject, l)
	if errors.Is(err, ErrWait) {
		return true, nil
	}
	return false, err
}
