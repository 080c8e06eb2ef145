// Package postlogin is told how a login ended. attempt is nil if the client never tried; session is nil if the login failed, and
// then problem says why.
package postlogin

import (
	"tidegate/hook"
)

type Handler func(connection hook.Connection, attempt hook.LoginAttempt, session hook.Session, problem string) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
