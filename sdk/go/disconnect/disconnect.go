// Package disconnect is told that a connection ended; session is nil if no user had logged in.
package disconnect

import (
	"time"

	"tidegate/hook"
)

type Handler func(connection hook.Connection, session hook.Session, duration time.Duration) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
