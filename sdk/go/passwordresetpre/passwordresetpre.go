// Package passwordresetpre reviews the requests of users for a new password.
package passwordresetpre

import "tidegate/hook"

// Verdict is made by the functions below.
type Verdict struct {
	Denied bool
	Denial hook.Denial
}

func Allow() Verdict { return Verdict{} }

func Deny(reason string) Verdict { return Verdict{Denied: true, Denial: hook.Denial{Reason: reason}} }

// Telling adds what the client is told, where the protocol has room for it.
func (v Verdict) Telling(message string) Verdict {
	v.Denial.ClientMessage = message
	return v
}

type Handler func(request hook.WebRequest) (Verdict, error)

var handler Handler

// Handle says which function decides; call it in an `init` function.
func Handle(function Handler) { handler = function }
