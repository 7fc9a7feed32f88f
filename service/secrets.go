package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/schedule"
)

// unsealed gives a secret of the catalog; it is empty when there is none.
func (s *Service) unsealed(ctx context.Context, name string) ([]byte, error) {
	b, err := s.db.Unseal(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	return b.Reveal(), nil
}

func (s *Service) sealSecret(ctx context.Context, name string, b []byte) error {
	if err := s.db.Seal(ctx, name, secret.NewBytes(b)); err != nil {
		return fmt.Errorf("keep secret: %w", err)
	}
	return nil
}

func (s *Service) forgetSecret(ctx context.Context, name string) error {
	if err := s.db.DeleteSecret(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget secret: %w", err)
	}
	return nil
}

func (s *Service) sealJSON(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return errors.New("keep secret: it cannot be written") // the cause would quote it
	}
	return s.sealSecret(ctx, name, b)
}

// get reads a setting; v stays as it is when there is none.
func (s *Service) get(ctx context.Context, key string, v any) error {
	_, err := s.db.Get(ctx, key, v)
	return err
}

// audit writes down who has done what. That it is not written is logged.
func (s *Service) audit(ctx context.Context, who Who, what, udid, detail string) {
	err := s.db.AddAudit(context.WithoutCancel(ctx), catalog.AuditEntry{At: s.o.Now(), Account: who.Account, What: what, UDID: udid, Detail: detail})
	if err != nil {
		s.log.Error("the audit log was not written", "what", what, "phone", udid, "err", err)
	}
}

// addPrompt writes down that a phone asks for its passcode.
func (s *Service) addPrompt(ctx context.Context, udid string, at time.Time) (id int64) {
	ctx = context.WithoutCancel(ctx)
	id, err := s.db.AddPrompt(ctx, catalog.Prompt{UDID: udid, At: at})
	if err == nil {
		err = s.readPast(ctx, udid)
	}
	if err != nil {
		s.log.Error("a prompt was not written down", "phone", udid, "err", err)
	}
	return id
}

// answerPrompt writes down what came of it.
func (s *Service) answerPrompt(ctx context.Context, id int64, udid string, answer schedule.Answer) {
	ctx = context.WithoutCancel(ctx)
	err := s.db.AnswerPrompt(ctx, id, string(answer), s.o.Now())
	if err == nil {
		err = s.readPast(ctx, udid)
	}
	if err != nil {
		s.log.Error("what came of a prompt was not written down", "phone", udid, "err", err)
	}
	s.count(func(c *Counts) {
		if c.Prompts[udid] == nil {
			c.Prompts[udid] = map[string]int64{}
		}
		c.Prompts[udid][string(answer)]++
	})
}
