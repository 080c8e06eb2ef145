// Package prelogin creates or changes the account just before the server checks the credentials.
package prelogin

import "tidegate/hook"

// Kind of a verdict; tests look at it.
type Kind uint8

const (
	LeftAlone Kind = iota
	Replaced
	Denied
)

// Verdict is made by the functions below.
type Verdict struct {
	Kind     Kind
	Draft    hook.AccountDraft
	Password string
	Denial   hook.Denial
}

// Unchanged leaves the account as it is.
func Unchanged() Verdict { return Verdict{} }

func Replace(draft hook.AccountDraft) Verdict { return Verdict{Kind: Replaced, Draft: draft} }

func Deny(reason string) Verdict { return Verdict{Kind: Denied, Denial: hook.Denial{Reason: reason}} }

// Telling adds what the client is told, where the protocol has room for it.
func (v Verdict) Telling(message string) Verdict {
	v.Denial.ClientMessage = message
	return v
}

type Handler func(attempt hook.LoginAttempt, account hook.Account) (Verdict, error)

var handler Handler

// Handle says which function decides; call it in an `init` function.
func Handle(function Handler) { handler = function }
