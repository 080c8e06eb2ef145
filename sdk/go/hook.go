// Package hook is what a hook in Go sees of the server. Import the package of each hook that you implement as
// well, e.g. tidegate/hook/externalauth: importing it is what makes the plugin export that hook.
//
// Objects such as LoginAttempt belong to the call that handed them over: do not keep them. Strings are
// yours. A hook returns an error when it could not decide; the server then does what its operator set
// for that, and logs the error.
package hook

import (
	"errors"
	"fmt"
)

type (
	Protocol     string
	LoginMethod  string
	ActionKind   string
	ActionStatus string
	ObjectKind   string
	ChangeKind   uint8
)

// The methods that the contract names; there may be others.
const (
	Password            LoginMethod = "password"
	PublicKey           LoginMethod = "public-key"
	KeyboardInteractive LoginMethod = "keyboard-interactive"
	Certificate         LoginMethod = "certificate"
)

const (
	Added ChangeKind = iota
	Updated
	Deleted
)

// Quota of an account. Zero means: no limit.
type Quota struct {
	MaxBytes, UsedBytes, MaxFiles, UsedFiles uint64
}

// Denial is a decision against the client: a verdict, not an error.
type Denial struct {
	// For the audit trail.
	Reason string
	// Sent to the client where the protocol has room for it; may be empty.
	ClientMessage string
}

var (
	// ErrAbsent means that there is no such thing in this event.
	ErrAbsent = errors.New("this event has none")
	// ErrStoreFull and ErrTooLarge are what the store answers at its limits.
	ErrStoreFull = errors.New("the plugin's store is full")
	ErrTooLarge  = errors.New("the key or the value is too large")
)

// NotGranted names the permission that the operator did not give to the plugin.
type NotGranted struct{ Permission string }

func (e NotGranted) Error() string { return "not granted: " + e.Permission }

type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

// Transient marks an error after which the same call may succeed later: observers are then called again.
func Transient(err error) error { return transient{err} }

// Infof and its neighbours write a line to the server's log.
func Infof(format string, values ...any)  { Log(LevelInfo, fmt.Sprintf(format, values...)) }
func Warnf(format string, values ...any)  { Log(LevelWarn, fmt.Sprintf(format, values...)) }
func Errorf(format string, values ...any) { Log(LevelError, fmt.Sprintf(format, values...)) }

type Level uint8

const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)
