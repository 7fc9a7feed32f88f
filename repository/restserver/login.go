package restserver

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// rememberedFor is how long a password that was right is not hashed again.
	rememberedFor = time.Hour
	maxRemembered = 1024
	// parallelHashes bounds the memory and the processors that passwords take:
	// a new hash takes 64 MiB and four threads.
	parallelHashes = 2
	maxPassword    = 1024 // bytes

	// An address may be wrong ten times, and then once in six seconds.
	attempts     = 10
	attemptEvery = 6 * time.Second
	maxAddresses = 4096
)

// logins tells who somebody is. A hash is made to be slow, and a client sends
// its password with every request, so that what was found right is remembered,
// by a digest that nobody else can make.
type logins struct {
	users *Users
	key   [32]byte
	slots chan struct{} // one for each hash under way
	once  singleflight.Group
	limit limiter

	mu    sync.Mutex
	known map[[32]byte]time.Time // until when
}

func newLogins(users *Users) *logins {
	l := &logins{users: users, slots: make(chan struct{}, parallelHashes), known: map[[32]byte]time.Time{}}
	rand.Read(l.key[:]) // never fails
	l.limit.addresses = map[netip.Prefix]*bucket{}
	return l
}

// admit returns the name of the user who makes the request.
func (l *logins) admit(r *http.Request) (string, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return "", refuse(http.StatusUnauthorized, "")
	}
	if len(password) > maxPassword || len(name) > maxSegment {
		return "", refuse(http.StatusUnauthorized, "")
	}
	hash, exists := l.users.find(name)
	digest := l.digest(name, password, hash.text)
	if exists && l.isKnown(digest) {
		return name, nil
	}
	from := address(r.RemoteAddr)
	// A client opens all its connections at once: one hash is enough.
	verdict, _, _ := l.once.Do(string(digest[:]), func() (any, error) {
		return l.verify(from, hash, exists, password), nil
	})
	switch verdict {
	case right:
		l.remember(digest)
		return name, nil
	case tooMany:
		return "", &httpError{http.StatusTooManyRequests, "too many wrong passwords", nil}
	}
	return "", refuse(http.StatusUnauthorized, "")
}

type verdict uint8

const (
	wrong verdict = iota
	right
	tooMany
)

func (l *logins) verify(from netip.Prefix, hash passwordHash, exists bool, password string) verdict {
	if !l.limit.take(from, time.Now()) {
		return tooMany
	}
	l.slots <- struct{}{}
	defer func() { <-l.slots }()
	if !hash.verify([]byte(password)) || !exists {
		return wrong
	}
	l.limit.giveBack(from)
	return right
}

// digest depends on the hash too: a changed password is not known any more.
func (l *logins) digest(name, password, hash string) (d [32]byte) {
	m := hmac.New(sha256.New, l.key[:])
	for _, s := range []string{name, password, hash} {
		m.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	m.Sum(d[:0])
	return d
}

func (l *logins) isKnown(d [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.known[d]
	return ok && time.Now().Before(until)
}

func (l *logins) remember(d [32]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= maxRemembered {
		clear(l.known) // costs each client one hash
	}
	l.known[d] = time.Now().Add(rememberedFor)
}

// address is what counts as one attacker: an IPv4 address, or the 64 bits of
// network of an IPv6 one.
func address(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{} // all that are strange together
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// limiter is a bucket of attempts for each address.
type limiter struct {
	mu        sync.Mutex
	addresses map[netip.Prefix]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// take takes an attempt out of the bucket, if there is one.
func (l *limiter) take(from netip.Prefix, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.addresses[from]
	if b == nil {
		if len(l.addresses) >= maxAddresses {
			l.forgetLocked(now)
		}
		b = &bucket{attempts, now}
		l.addresses[from] = b
	}
	b.left = min(attempts, b.left+float64(now.Sub(b.at))/float64(attemptEvery))
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// giveBack undoes take: the attempt was none.
func (l *limiter) giveBack(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.addresses[from]; b != nil {
		b.left = min(attempts, b.left+1)
	}
}

// forgetLocked makes room: buckets that are full again say nothing, and if there
// are none of those, all have to go.
func (l *limiter) forgetLocked(now time.Time) {
	for p, b := range l.addresses {
		if now.Sub(b.at) >= attempts*attemptEvery {
			delete(l.addresses, p)
		}
	}
	if len(l.addresses) >= maxAddresses {
		clear(l.addresses)
	}
}
