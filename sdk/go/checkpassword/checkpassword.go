// Package checkpassword looks at a password before it is compared with the stored hash.
package checkpassword

import "tidegate/hook"

// Kind of a verdict; tests look at it.
type Kind uint8

const (
	Deferred Kind = iota
	Accepted
	VerifiedByServer
	Denied
)

// Verdict is made by the functions below.
type Verdict struct {
	Kind     Kind
	Draft    hook.AccountDraft
	Password string
	Denial   hook.Denial
}

func Defer() Verdict { return Verdict{} }

// Accept: good, without a comparison.
func Accept() Verdict { return Verdict{Kind: Accepted} }

// Verify compares this with the stored hash instead.
func Verify(password string) Verdict { return Verdict{Kind: VerifiedByServer, Password: password} }

func Deny(reason string) Verdict { return Verdict{Kind: Denied, Denial: hook.Denial{Reason: reason}} }

// Telling adds what the client is told, where the protocol has room for it.
func (v Verdict) Telling(message string) Verdict {
	v.Denial.ClientMessage = message
	return v
}

type Handler func(attempt hook.LoginAttempt) (Verdict, error)

var handler Handler

// Handle says which function decides; call it in an `init` function.
func Handle(function Handler) { handler = function }
