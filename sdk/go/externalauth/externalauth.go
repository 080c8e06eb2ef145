// Package externalauth decides a login from its credentials.
package externalauth

import "tidegate/hook"

// Kind of a verdict; tests look at it.
type Kind uint8

const (
	Deferred Kind = iota
	Accepted
	VerifiedByServer
	Rejected
)

// Verdict is made by the functions below.
type Verdict struct {
	Kind     Kind
	Draft    hook.AccountDraft
	Password string
	Denial   hook.Denial
}

// Defer: not mine, ask the next one.
func Defer() Verdict { return Verdict{} }

// Accept: the credentials are good; the account is created or replaced by the draft. With nil, the stored account
// is used as it is.
func Accept(draft hook.AccountDraft) Verdict { return Verdict{Kind: Accepted, Draft: draft} }

// VerifyStored lets the server compare this with the stored account's password; empty: what the client sent.
func VerifyStored(password string) Verdict {
	return Verdict{Kind: VerifiedByServer, Password: password}
}

func Reject(reason string) Verdict {
	return Verdict{Kind: Rejected, Denial: hook.Denial{Reason: reason}}
}

// Telling adds what the client is told, where the protocol has room for it.
func (v Verdict) Telling(message string) Verdict {
	v.Denial.ClientMessage = message
	return v
}

type Handler func(attempt hook.LoginAttempt) (Verdict, error)

var handler Handler

// Handle says which function decides; call it in an `init` function.
func Handle(function Handler) { handler = function }
