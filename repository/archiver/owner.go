package archiver

import (
	"os/user"
	"strconv"
	"sync"
)

// owners remembers the names of users and groups. An ID without a name has "".
type owners struct {
	mu            sync.RWMutex
	users, groups map[uint32]string
}

func (o *owners) names(uid, gid uint32) (userName, groupName string) {
	o.mu.RLock()
	u, okUser := o.users[uid]
	g, okGroup := o.groups[gid]
	o.mu.RUnlock()
	if okUser && okGroup {
		return u, g
	}
	if found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		u = found.Username
	}
	if found, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10)); err == nil {
		g = found.Name
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == nil {
		o.users, o.groups = map[uint32]string{}, map[uint32]string{}
	}
	o.users[uid], o.groups[gid] = u, g
	return u, g
}
