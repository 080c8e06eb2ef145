// Package credentialchanged is told of an API key or a one-time login URL that was made or changed.
package credentialchanged

import (
	"tidegate/hook"
)

type Handler func(change hook.CredentialChange) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
