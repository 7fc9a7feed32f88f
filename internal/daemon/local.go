package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/auth"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// localFile tells the commands of this account where the service is.
const localFile = "service.json"

// localToken is the name of the token in it.
const localToken = "the commands on this computer"

// Local is where a running service is, and how a command gets in.
type Local struct {
	Address string
	Token   secret.Text

	roots, serverName string // what to trust over TLS
}

type localJSON struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	// Of the page's certificate, which is for other names than this address.
	Roots      string `json:"roots,omitempty"` // PEM
	ServerName string `json:"server_name,omitempty"`
}

// maxLocal bounds service.json, in bytes.
const maxLocal = 4<<10 + 2*maxLocalRoots

// FindLocal reads where the service that works in the folder data is; fs.ErrNotExist
// if none runs there, or nobody has set it up. Only its own account can.
func FindLocal(data string) (Local, error) {
	path := filepath.Join(data, localFile)
	if info, err := os.Stat(path); err != nil {
		return Local{}, err
	} else if info.Size() > maxLocal {
		return Local{}, fmt.Errorf("read %s: it is too large", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Local{}, err
	}
	var v localJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return Local{}, fmt.Errorf("read %s: it is damaged", path) // the cause might quote it
	}
	return Local{v.Address, secret.NewText(v.Token), v.Roots, v.ServerName}, nil
}

// announce lets commands find the service, as soon as there is somebody whom they
// can act for: the first admin.
func (d *Daemon) announce(ctx context.Context, at net.Addr, secured bool) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		first, err := d.Auth.FirstRun(ctx)
		if err == nil && !first {
			if err := d.writeLocal(ctx, at, secured); err != nil && ctx.Err() == nil {
				d.opt.Log.Warn("commands will not find the service", "err", err)
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (d *Daemon) writeLocal(ctx context.Context, at net.Addr, secured bool) error {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || secured && d.trust.roots == nil {
		return nil // nothing says what to trust
	}
	if tcp.IP.IsUnspecified() {
		tcp = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}
	}
	admin, err := d.admin(ctx)
	if err != nil {
		return err
	}
	if err := d.retract(ctx); err != nil {
		return err
	}
	// Commands show all phones, as the admin sees them. Who can read this file can read
	// the key and the database beside it as well.
	token, err := d.Auth.CreateToken(ctx, admin.ID, auth.Token{Name: localToken, Scopes: []string{"admin"}})
	if err != nil {
		return err
	}
	local := localJSON{Address: "http://" + tcp.String(), Token: token.Reveal()}
	if secured {
		local = localJSON{"https://" + tcp.String(), token.Reveal(), string(d.trust.roots), d.trust.name}
	}
	b, err := json.Marshal(local)
	if err != nil {
		return err
	}
	return d.root.WriteFile(localFile, b, 0o600)
}

func (d *Daemon) admin(ctx context.Context) (auth.Account, error) {
	all, err := d.Auth.Accounts(ctx)
	if err != nil {
		return auth.Account{}, err
	}
	var first auth.Account
	for _, a := range all {
		if a.Admin && !a.Disabled && (first.ID == 0 || a.ID < first.ID) {
			first = a
		}
	}
	if first.ID == 0 {
		return first, errors.New("there is no admin")
	}
	return first, nil
}

// retract takes the file away, and the tokens that were in it.
func (d *Daemon) retract(ctx context.Context) error {
	all, err := d.Auth.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		tokens, err := d.Auth.Tokens(ctx, a.ID)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			if t.Name == localToken {
				if err := d.Auth.DeleteToken(ctx, a.ID, t.ID); err != nil {
					return err
				}
			}
		}
	}
	if err := d.root.Remove(localFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
