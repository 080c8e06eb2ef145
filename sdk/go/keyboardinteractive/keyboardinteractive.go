// Package keyboardinteractive talks with the user over the SSH method of that name.
package keyboardinteractive

import "tidegate/hook"

// Kind of a verdict; tests look at it.
type Kind uint8

const (
	Deferred Kind = iota
	Accepted
	Rejected
)

// Verdict is made by the functions below.
type Verdict struct {
	Kind     Kind
	Draft    hook.AccountDraft
	Password string
	Denial   hook.Denial
}

func Defer() Verdict { return Verdict{} }

// Accept: the account is created or replaced by the draft; with nil, the stored account is used.
func Accept(draft hook.AccountDraft) Verdict { return Verdict{Kind: Accepted, Draft: draft} }

func Reject(reason string) Verdict {
	return Verdict{Kind: Rejected, Denial: hook.Denial{Reason: reason}}
}

// Prompt is one question; Echo says whether the user sees the answer being typed.
type Prompt struct {
	Text string
	Echo bool
}

// Conversation with the user; the server suspends the hook while they type.
type Conversation interface {
	// Ask sends one round and waits for an answer to each prompt. After an error, just return.
	Ask(instruction string, prompts ...Prompt) ([]string, error)
	// VerifyPassword says whether the answer is the account's password.
	VerifyPassword(answer string) bool
	// VerifyOneTimeCode says whether the answer is a valid one-time code of the account.
	VerifyOneTimeCode(answer string) bool
}

// Telling adds what the client is told, where the protocol has room for it.
func (v Verdict) Telling(message string) Verdict {
	v.Denial.ClientMessage = message
	return v
}

type Handler func(attempt hook.LoginAttempt, conversation Conversation) (Verdict, error)

var handler Handler

// Handle says which function decides; call it in an `init` function.
func Handle(function Handler) { handler = function }
