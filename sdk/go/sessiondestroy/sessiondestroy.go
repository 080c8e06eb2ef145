// Package sessiondestroy is told that a session has ended: `logout`, `expired`, `idle`, `admin-closed`, `server-stop` or `error`.
package sessiondestroy

import (
	"time"

	"tidegate/hook"
)

type Handler func(session hook.Session, reason string, duration time.Duration) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
