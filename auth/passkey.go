package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Bounds of ceremonies.
const (
	ceremonyTime  = 5 * time.Minute
	maxCeremonies = 1000
	maxPasskeys   = 20
)

// ceremony is a challenge that waits for its answer.
type ceremony struct {
	data    webauthn.SessionData
	account int64 // of a registration; 0 of a sign-in
	ends    time.Time
}

// relyingParty is the site that passkeys are for: the name of the first origin that
// has one, and all origins of that name.
func relyingParty(origins []string) (*webauthn.WebAuthn, error) {
	var name string
	var good []string
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("%q is no origin", o)
		}
		if _, err := netip.ParseAddr(u.Hostname()); err == nil {
			continue
		}
		if name == "" {
			name = strings.ToLower(u.Hostname())
		}
		if strings.EqualFold(u.Hostname(), name) {
			good = append(good, u.Scheme+"://"+strings.ToLower(u.Host))
		}
	}
	if name == "" {
		return nil, nil
	}
	return webauthn.New(&webauthn.Config{RPID: name, RPDisplayName: "Keepsake", RPOrigins: good,
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationPreferred}})
}

var errNoName = &InputError{"passkeys need a name in the address of this page", "Open the page by the computer's name, not by its number; or sign in with the password."}

var errCeremony = &InputError{"the passkey was not accepted", "Try once more, or sign in with the password."}

// holder is an account as WebAuthn knows it.
type holder struct {
	catalog.Account
	credentials []webauthn.Credential
}

// WebAuthnID is the number of the account.
func (h *holder) WebAuthnID() []byte {
	return binary.BigEndian.AppendUint64([]byte("keepsake"), uint64(h.ID))
}

// WebAuthnName is the login.
func (h *holder) WebAuthnName() string { return h.Login }

// WebAuthnDisplayName is the name.
func (h *holder) WebAuthnDisplayName() string { return h.Name }

// WebAuthnCredentials are its passkeys.
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

func (k *Keeper) holder(ctx context.Context, account int64) (*holder, error) {
	a, err := k.db.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	list, err := k.db.Passkeys(ctx, account)
	if err != nil {
		return nil, err
	}
	h := &holder{Account: a}
	for _, p := range list {
		var c webauthn.Credential
		if err := json.Unmarshal(p.Credential, &c); err != nil {
			return nil, fmt.Errorf("read passkey %q: %w", p.Name, err)
		}
		h.credentials = append(h.credentials, c)
	}
	return h, nil
}

// remember keeps a challenge and gives the name of it.
func (k *Keeper) remember(data *webauthn.SessionData, account int64) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	maps.DeleteFunc(k.ceremonies, func(_ string, c ceremony) bool { return !now.Before(c.ends) })
	for name := range k.ceremonies {
		if len(k.ceremonies) < maxCeremonies {
			break
		}
		delete(k.ceremonies, name) // any: who floods us has most of them
	}
	text, _ := newText()
	// The library's own limit would go by its own clock: ends is by ours.
	data.Expires = time.Time{}
	k.ceremonies[text.Reveal()] = ceremony{*data, account, now.Add(ceremonyTime)}
	return text.Reveal()
}

// recall gives a challenge, once.
func (k *Keeper) recall(name string, account int64) (webauthn.SessionData, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.ceremonies[name]
	if !ok || c.account != account || !k.now().Before(c.ends) {
		return webauthn.SessionData{}, &InputError{"that took too long", "Try once more."}
	}
	delete(k.ceremonies, name)
	return c.data, nil
}

// BeginRegister begins to make a passkey: options are for navigator.credentials.create,
// as JSON.
func (k *Keeper) BeginRegister(ctx context.Context, account int64) (options []byte, name string, err error) {
	if k.passkeys == nil {
		return nil, "", errNoName
	}
	h, err := k.holder(ctx, account)
	if err != nil {
		return nil, "", fmt.Errorf("begin passkey: %w", err)
	}
	if len(h.credentials) >= maxPasskeys {
		return nil, "", &InputError{fmt.Sprintf("there are %d passkeys already", maxPasskeys), "Remove those that nobody uses."}
	}
	creation, data, err := k.passkeys.BeginRegistration(h, webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired),
		webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, "", fmt.Errorf("begin passkey: %w", err)
	}
	if options, err = json.Marshal(creation); err != nil {
		return nil, "", fmt.Errorf("begin passkey: %w", err)
	}
	return options, k.remember(data, account), nil
}

// FinishRegister keeps the passkey that the browser has made, under a label.
func (k *Keeper) FinishRegister(ctx context.Context, account int64, name, label string, answer []byte) error {
	if k.passkeys == nil {
		return errNoName
	}
	data, err := k.recall(name, account)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return errCeremony
	}
	h, err := k.holder(ctx, account)
	if err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	c, err := k.passkeys.CreateCredential(h, data, parsed)
	if err != nil {
		return errCeremony
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	if label = strings.TrimSpace(label); label == "" || len(label) > maxName {
		label = "Passkey of " + k.now().Format("2 January 2006")
	}
	if err := k.db.AddPasskey(ctx, catalog.Passkey{ID: c.ID, Account: account, Name: label, Credential: text}); err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	return k.note(ctx, account, "", "made a passkey", label)
}

// BeginSignIn begins a sign-in by passkey: options are for navigator.credentials.get,
// as JSON.
func (k *Keeper) BeginSignIn(context.Context) (options []byte, name string, err error) {
	if k.passkeys == nil {
		return nil, "", errNoName
	}
	assertion, data, err := k.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, "", fmt.Errorf("begin sign-in: %w", err)
	}
	if options, err = json.Marshal(assertion); err != nil {
		return nil, "", fmt.Errorf("begin sign-in: %w", err)
	}
	return options, k.remember(data, 0), nil
}

// FinishSignIn begins a session for whoever the passkey is of. What is not accepted
// is ErrWrong.
func (k *Keeper) FinishSignIn(ctx context.Context, name string, answer []byte, address string) (secret.Text, Session, error) {
	if k.passkeys == nil {
		return secret.Text{}, Session{}, errNoName
	}
	data, err := k.recall(name, 0)
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return secret.Text{}, Session{}, k.refuse(ctx, 0, address)
	}
	var who *holder
	_, c, err := k.passkeys.ValidatePasskeyLogin(func(rawID, handle []byte) (webauthn.User, error) {
		p, err := k.db.Passkey(ctx, rawID)
		if err != nil {
			return nil, err
		}
		if who, err = k.holder(ctx, p.Account); err != nil {
			return nil, err
		}
		if !bytes.Equal(handle, who.WebAuthnID()) {
			return nil, ErrWrong
		}
		return who, nil
	}, data, parsed)
	if err != nil || who == nil || who.Disabled || c.Authenticator.CloneWarning {
		var id int64
		if who != nil {
			id = who.ID
		}
		return secret.Text{}, Session{}, k.refuse(ctx, id, address)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	if err := k.db.UsePasskey(ctx, c.ID, text, k.now()); err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	return k.begin(ctx, who.Account, address, "signed in by passkey")
}

// refuse notes what was not accepted: as often as passwords may be guessed, so that
// nobody fills the audit log with it until what else is there is forgotten. A passkey
// that is right is never kept waiting.
func (k *Keeper) refuse(ctx context.Context, account int64, address string) error {
	if often, err := k.tooOften(ctx, "passkeys "+network(address), limitNetwork); err != nil {
		return fmt.Errorf("sign in: %w", err)
	} else if often {
		return ErrWrong
	}
	if err := k.note(ctx, account, address, "sign-in by passkey failed", ""); err != nil {
		return err
	}
	return ErrWrong
}

// Passkeys are those of an account.
func (k *Keeper) Passkeys(ctx context.Context, account int64) ([]Passkey, error) {
	list, err := k.db.Passkeys(ctx, account)
	keys := make([]Passkey, len(list))
	for i, p := range list {
		keys[i] = Passkey{ID: slices.Clone(p.ID), Name: p.Name, Created: p.Created, LastUsed: p.LastUsed}
	}
	return keys, err
}

// DeletePasskey forgets a passkey of an account.
func (k *Keeper) DeletePasskey(ctx context.Context, account int64, id []byte) error {
	if err := k.db.DeletePasskey(ctx, account, id); err != nil {
		return fmt.Errorf("remove passkey: %w", err)
	}
	return k.note(ctx, account, "", "removed a passkey", "")
}
