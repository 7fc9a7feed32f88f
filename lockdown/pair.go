package lockdown

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// pairPoll is how often a pairing that waits for its owner is asked about.
const pairPoll = time.Second

// protocolVersion of pairing since iOS 5.
const protocolVersion = "2"

// Prompt is what the phone's owner has to do for a pairing to go on.
type Prompt int

// PromptTrust: unlock the phone, tap Trust, type the passcode.
const PromptTrust Prompt = 1

func (p Prompt) String() string {
	if p == PromptTrust {
		return "unlock the phone, tap Trust and enter its passcode"
	}
	return fmt.Sprintf("prompt %d", int(p))
}

// Pair asks the phone once to accept r, and on success puts its escrow bag into
// r. The first time it answers PairingDialogResponsePending and shows the trust
// dialog, except in set-up, when it accepts at once (protocol.md 11.2). Other
// answers: UserDeniedPairing, PasswordProtected (locked),
// PairingProhibitedOverThisConnection (not over Wi-Fi), MCProtected (forbidden
// by the organisation). No session is needed. hostName, if not empty, is how
// the phone may call this computer.
func (c *Client) Pair(ctx context.Context, r *PairRecord, hostName string) error {
	if err := c.pair(ctx, r, hostName); err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	return nil
}

func (c *Client) pair(ctx context.Context, r *PairRecord, hostName string) error {
	req := pairingRequest(ReqPair, r)
	req.HostName = hostName
	resp, err := c.call(ctx, pairIdle, req)
	if err != nil {
		return err
	}
	r.EscrowBag = secret.NewBytes(resp.EscrowBag)
	return nil
}

// PairAndWait is Pair, repeated every second while the trust dialog is open,
// until the owner answers or ctx ends. prompt, if not nil, is called once, in
// the caller's goroutine, when the owner has to act.
func (c *Client) PairAndWait(ctx context.Context, r *PairRecord, hostName string, prompt func(Prompt)) error {
	told := false
	for {
		err := c.pair(ctx, r, hostName)
		if err == nil {
			return nil
		}
		if told && ctx.Err() != nil {
			return fmt.Errorf("pair: %w: %w", PairingDialogResponsePending, err)
		}
		if !errors.Is(err, PairingDialogResponsePending) {
			return fmt.Errorf("pair: %w", err)
		}
		if !told && prompt != nil {
			prompt(PromptTrust)
		}
		told = true
		select {
		case <-ctx.Done():
			return fmt.Errorf("pair: %w: %w", PairingDialogResponsePending, context.Cause(ctx))
		case <-time.After(pairPoll):
		}
	}
}

// ValidatePair asks whether the phone knows r; systems before iOS 7 need it
// before a session.
func (c *Client) ValidatePair(ctx context.Context, r *PairRecord) error {
	if _, err := c.call(ctx, replyIdle, pairingRequest(ReqValidatePair, r)); err != nil {
		return fmt.Errorf("validate pairing: %w", err)
	}
	return nil
}

// Unpair makes the phone forget r.
func (c *Client) Unpair(ctx context.Context, r *PairRecord) error {
	if _, err := c.call(ctx, replyIdle, pairingRequest(ReqUnpair, r)); err != nil {
		return fmt.Errorf("unpair: %w", err)
	}
	return nil
}

func pairingRequest(name string, r *PairRecord) Request {
	return Request{
		Request:         name,
		ProtocolVersion: protocolVersion,
		PairRecord:      r.public(),
		PairingOptions:  &PairingOptions{ExtendedPairingErrors: true},
	}
}
