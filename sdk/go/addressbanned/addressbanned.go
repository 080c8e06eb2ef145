// Package addressbanned is told of an address that was banned.
package addressbanned

import (
	"tidegate/hook"
)

type Handler func(ban hook.AddressBan) error

var handler Handler

// Handle says which function is told; call it in an `init` function.
func Handle(function Handler) { handler = function }
