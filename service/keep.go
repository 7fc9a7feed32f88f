package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/targets"
)

func targetPassword(name string) string    { return "target-password:" + name }
func targetCredentials(name string) string { return "target-credentials:" + name }

// keeper works on targets with the passwords and credentials that are kept sealed.
// A target without a password of its own has that of the place.
func (s *Service) keeper() *targets.Keeper {
	k := s.o.Places.Keeper(s.book, s.passwordOf, s.credentialsOf)
	k.Wait, k.Now = s.o.Pace.Lock, s.o.Now
	return k
}

func (s *Service) passwordOf(ctx context.Context, name string) (secret.RepositoryPassword, error) {
	b, err := s.unsealed(ctx, targetPassword(name))
	if err != nil {
		return secret.RepositoryPassword{}, err
	}
	if len(b) > 0 {
		return secret.NewRepositoryPassword(string(b)), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.home.password, nil
}

func (s *Service) credentialsOf(ctx context.Context, name string) (map[string]string, error) {
	b, err := s.unsealed(ctx, targetCredentials(name))
	if err != nil || len(b) == 0 {
		return nil, err
	}
	var set map[string]string
	if json.Unmarshal(b, &set) != nil {
		return nil, fmt.Errorf("read credentials of target %s: they are damaged", name) // the cause would quote them
	}
	return set, nil
}

// AddTarget adds a place for copies and starts the first one. credentials are
// environment variables, such as AWS_ACCESS_KEY_ID; without a password the target
// gets that of the place.
func (s *Service) AddTarget(ctx context.Context, who Who, name, where string, credentials map[string]string, password secret.RepositoryPassword) (int64, error) {
	if err := s.mayHere(who, toManage); err != nil {
		return 0, err
	}
	if err := s.ready(); err != nil {
		return 0, err
	}
	name, where = strings.TrimSpace(name), strings.TrimSpace(where)
	if err := targets.CheckName(name); err != nil {
		return 0, &HintError{err, "use letters, digits, “.”, “-” and “_”"}
	}
	if _, err := s.book.Find(name); err == nil {
		return 0, hinted("choose another name", "add target: there is one called %s", name)
	}
	if err := s.sealTarget(ctx, name, credentials, password); err != nil {
		return 0, err
	}
	err := s.mains(ctx, func(list []targets.Main) error {
		if len(list) == 0 {
			return hinted("back up a phone first", "add target: there is nothing to copy yet")
		}
		many := slices.ContainsFunc(list, func(m targets.Main) bool { return m.Phone != "" })
		_, err := s.keeper().Add(ctx, targets.NewTarget{Name: name, Location: where, Many: many}, list)
		return err
	})
	if err != nil {
		return 0, errors.Join(err, s.forgetSecret(ctx, targetPassword(name)), s.forgetSecret(ctx, targetCredentials(name)))
	}
	s.audit(ctx, who, "add target", "", name)
	s.lookForTargetsSoon()
	return s.enqueue(ctx, wish{kind: CopyJob, target: name, account: who.Account, trigger: "it was added"})
}

func (s *Service) sealTarget(ctx context.Context, name string, credentials map[string]string, password secret.RepositoryPassword) error {
	if len(credentials) > 0 {
		if err := s.sealJSON(ctx, targetCredentials(name), credentials); err != nil {
			return err
		}
	}
	if password.IsZero() {
		return nil
	}
	return s.sealSecret(ctx, targetPassword(name), []byte(password.Reveal()))
}

// RecoverySheet is an HTML page with all that is needed to open the backups without
// this computer; with the password if withPassword says so.
func (s *Service) RecoverySheet(ctx context.Context, who Who, withPassword bool) ([]byte, error) {
	if err := s.mayHere(who, toManage); err != nil {
		return nil, err
	}
	h, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	var shown secret.RepositoryPassword
	if withPassword {
		shown = h.password
		s.audit(ctx, who, "recovery sheet with the password", "", "")
	}
	return h.place.Sheet(ctx, shown, h.password)
}
