// Package objectchanges is told of an account, group, folder, admin or API key that was added, updated or deleted.
package objectchanges

import (
	"tidegate/hook"
)

type Handler func(change hook.ObjectChange) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
